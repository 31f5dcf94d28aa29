// A value that may change while the program runs: whoever uses it reads it each time, or is told.

export interface Live<T> {
  current(): T
  /** Called with each new value, after it is in force; answers what ends it. */
  watch(listener: (value: T) => void): () => void
}

/** Defaults below what is said, looked up at each reading: where an option is a getter, it may say something else by then. */
export function readEachTime<T extends object>(
  defaults: T,
  said: { readonly [name in keyof T]?: T[name] | undefined },
): T {
  const names = Object.keys(defaults) as (keyof T)[]
  const members = names.map((name) => [name, { enumerable: true, get: () => said[name] ?? defaults[name] }])
  return Object.defineProperties({}, Object.fromEntries(members)) as T
}
