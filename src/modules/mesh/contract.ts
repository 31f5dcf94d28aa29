// What others may know of the event mesh: events, messages, subscriptions, types and routes.

export * from './actions.ts'
export * from './events.ts'
export * from './faces.ts'
export * from './facts.ts'
export * from './following.ts'
export { Audience, HOPS_MAX, Lane, PrincipalLabel, TypePattern } from './schemas.ts'
export * from './views.ts'
