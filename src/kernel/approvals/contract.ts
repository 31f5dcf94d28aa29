// Approvals as others know them: entry types, views, actions and queries.

export * from './answering.ts'
export * from './entries.ts'
export * from './keeping.ts'
export * from './request.ts'
export * from './standing-records.ts'
