// The actions that people sign: little enough for every start of the program.

/** By action: the name of its statement in `approvals.get`, and the vote that the statement must be. */
export const SIGNED_ACTIONS: ReadonlyMap<string, { readonly statement: string; readonly vote: string }> =
  new Map([
    ['approvals.approve@1', { statement: 'approve', vote: 'approve' }],
    ['approvals.deny@1', { statement: 'deny', vote: 'deny' }],
    ['approvals.abstain@1', { statement: 'abstain', vote: 'abstain' }],
    ['approvals.break-glass@1', { statement: 'breakGlass', vote: 'break-glass' }],
  ])
