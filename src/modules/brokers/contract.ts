// What others may know of brokers: sinks that are fed, sources that feed, and what was received.

export * from './actions.ts'
export * from './facts.ts'
export * from './views.ts'
