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
  // Of two optimising compilers the quicker one works for what lasts longer than a start: without it a start has less
  // memory to touch, and what takes seconds (a decompression) is at most a twentieth slower, by the other one.
  "--no-maglev",
  "--disable-warning=SecurityWarning",
  "--disable-warning=ExperimentalWarning",
];
