// Asking again while an answer is on its way: once more when it is there, however often it was wanted.

/** At most one run at a time, and one more after it when it was asked for meanwhile. */
export function coalesced(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let isWanted = false
  const start = async () => {
    do {
      isWanted = false
      await run()
    } while (isWanted)
    running = undefined
  }
  return () => {
    isWanted = true
    running ??= start()
    return running
  }
}
