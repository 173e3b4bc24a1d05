/**
 * Counters in a source file: one in each place where the way through it may part, as coverage-guided fuzzers have them
 * (M. Zalewski, "AFL technical details", "Coverage measurements"). The code does the same as before.
 */
import ts from "typescript";
import { COUNTERS } from "./coverage.ts";

export interface Instrumented {
  readonly code: string;
  /** The first number that no counter has yet. */
  readonly next: number;
}

/** @param first the number of this file's first counter */
export function instrument(source: string, fileName: string, first: number): Instrumented {
  let next = first;
  const { outputText } = ts.transpileModule(source, {
    fileName,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
    transformers: { before: [(context) => (file) => ts.visitEachChild(file, visitorOf(context), context)] },
  });
  return { code: outputText, next };

  function visitorOf(context: ts.TransformationContext): ts.Visitor {
    const visit: ts.Visitor = (node) => counted(ts.visitEachChild(node, visit, context), context.factory);
    return visit;
  }

  /** `fuzzCounters[N]++` */
  function count(factory: ts.NodeFactory): ts.Expression {
    const counter = factory.createElementAccessExpression(factory.createIdentifier(COUNTERS), next++);
    return factory.createPostfixIncrement(counter);
  }

  function block(statement: ts.Statement, factory: ts.NodeFactory): ts.Block {
    const inside = ts.isBlock(statement) ? statement.statements : [statement];
    return factory.createBlock([factory.createExpressionStatement(count(factory)), ...inside], true);
  }

  /** `(fuzzCounters[N]++, expression)` */
  function expression(inner: ts.Expression, factory: ts.NodeFactory): ts.Expression {
    return factory.createParenthesizedExpression(factory.createComma(count(factory), inner));
  }

  function counted(node: ts.Node, factory: ts.NodeFactory): ts.Node {
    if (ts.isIfStatement(node)) {
      const otherwise = node.elseStatement === undefined ? undefined : block(node.elseStatement, factory);
      return factory.updateIfStatement(node, node.expression, block(node.thenStatement, factory), otherwise);
    }
    if (ts.isForStatement(node)) {
      const { initializer, condition, incrementor, statement } = node;
      return factory.updateForStatement(node, initializer, condition, incrementor, block(statement, factory));
    }
    if (ts.isForOfStatement(node)) {
      const { awaitModifier, initializer, statement } = node;
      return factory.updateForOfStatement(node, awaitModifier, initializer, node.expression, block(statement, factory));
    }
    if (ts.isWhileStatement(node)) {
      return factory.updateWhileStatement(node, node.expression, block(node.statement, factory));
    }
    if (ts.isDoStatement(node)) return factory.updateDoStatement(node, block(node.statement, factory), node.expression);
    if (ts.isCaseClause(node)) {
      const inside = [factory.createExpressionStatement(count(factory)), ...node.statements];
      return factory.updateCaseClause(node, node.expression, inside);
    }
    if (ts.isDefaultClause(node)) {
      return factory.updateDefaultClause(node, [factory.createExpressionStatement(count(factory)), ...node.statements]);
    }
    if (ts.isCatchClause(node)) {
      return factory.updateCatchClause(node, node.variableDeclaration, block(node.block, factory));
    }
    if (ts.isConditionalExpression(node)) {
      return factory.updateConditionalExpression(
        node,
        node.condition,
        node.questionToken,
        expression(node.whenTrue, factory),
        node.colonToken,
        expression(node.whenFalse, factory),
      );
    }
    if (ts.isBinaryExpression(node) && PARTING.has(node.operatorToken.kind)) {
      return factory.updateBinaryExpression(node, node.left, node.operatorToken, expression(node.right, factory));
    }
    return countedFunction(node, factory);
  }

  function countedFunction(node: ts.Node, factory: ts.NodeFactory): ts.Node {
    if (ts.isFunctionDeclaration(node) && node.body !== undefined) {
      const { modifiers, asteriskToken, name, typeParameters, parameters, type, body } = node;
      const counting = block(body, factory);
      return factory.updateFunctionDeclaration(
        ...([node, modifiers, asteriskToken, name, typeParameters, parameters, type, counting] as const),
      );
    }
    if (ts.isMethodDeclaration(node) && node.body !== undefined) {
      const { modifiers, asteriskToken, name, questionToken, typeParameters, parameters, type, body } = node;
      const counting = block(body, factory);
      return factory.updateMethodDeclaration(
        ...([node, modifiers, asteriskToken, name, questionToken, typeParameters, parameters, type, counting] as const),
      );
    }
    if (ts.isArrowFunction(node)) {
      const { modifiers, typeParameters, parameters, type, equalsGreaterThanToken, body } = node;
      const counting = ts.isBlock(body) ? block(body, factory) : expression(body, factory);
      return factory.updateArrowFunction(
        ...([node, modifiers, typeParameters, parameters, type, equalsGreaterThanToken, counting] as const),
      );
    }
    return node;
  }
}

/** Operators that may leave out what stands right of them. */
const PARTING: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);
