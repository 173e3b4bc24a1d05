/**
 * How guestboot wants its runtime started: the permission model on, everything granted, so that the program can give
 * rights up for good once it has opened what it needs. Plain JavaScript, since the launcher reads it on any Node.
 */
export const RUNTIME_FLAGS = [
  "--permission",
  "--allow-fs-read=*",
  "--allow-fs-write=*",
  "--allow-net",
  "--allow-child-process",
  "--allow-worker",
  "--allow-ffi",
  // MB: what most commands allocate in all their life, so that they end before a collection of garbage begins.
  "--min-semi-space-size=8",
  // Of three compilers the one that optimises most works for what lasts longer than a start. Without the other two a
  // start has less memory to touch, and decompressors, which take seconds, are as quick or at most a twentieth slower.
  "--no-maglev",
  "--no-sparkplug",
  "--disable-warning=SecurityWarning",
  "--disable-warning=ExperimentalWarning",
];
