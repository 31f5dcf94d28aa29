// What others may know of the rules in force: their facts, the row that says what is in force, and the actions that change it.

export * from './actions.ts'
export * from './facts.ts'
export * from './views.ts'
