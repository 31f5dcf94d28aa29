// What others may know of webhooks: endpoints that are fed, sources that feed, and what was received.

export * from './actions.ts'
export * from './faces.ts'
export * from './facts.ts'
export * from './views.ts'
