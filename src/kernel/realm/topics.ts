// What hubs on one database wake each other for.

export const TOPICS = {
  /** The writer's place is free. */
  lease: 'lease',
  /** Proposals wait for the writer. */
  outbox: 'outbox',
  /** Proposals were answered. */
  answers: 'answers',
  /** A checkpoint was published. */
  published: 'published',
  /** Somebody asked something of a run. */
  runs: 'runs',
} as const
