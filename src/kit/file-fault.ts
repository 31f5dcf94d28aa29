// Why a file or a folder cannot be read, in words for whoever has named it.

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no file or folder of that name',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
}

/** What the system calls otherwise stays in its own words. */
export function fileFault(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return Object.hasOwn(WORDS, code) ? (WORDS[code] ?? message) : message
}
