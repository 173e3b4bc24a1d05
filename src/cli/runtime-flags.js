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
  "--disable-warning=SecurityWarning",
  "--disable-warning=ExperimentalWarning",
];
