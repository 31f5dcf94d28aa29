// Work that is done at the first asking, and answered from then on.

/** What throws is tried again at the next asking; a promise is answered as it is, rejected or not. */
export function once<T>(work: () => T): () => T {
  let done: { readonly value: T } | undefined
  return () => {
    done ??= { value: work() }
    return done.value
  }
}
