// A value that may change while the program runs: whoever uses it reads it each time, or is told.

export interface Live<T> {
  current(): T
  /** Called with each new value, after it is in force; answers what ends it. */
  watch(listener: (value: T) => void): () => void
}
