// The actions that the starter rules name: without them the rules are refused.

import type { TestedAction } from './rule-tests.ts'

export const STARTER_ACTIONS: readonly TestedAction[] = [
  { name: 'log.read@1', risk: 'high' },
  {
    name: 'token.create@1',
    facts: { kind: 'string', id: 'string', roles: 'strings?', scopes: 'strings?' },
    risk: 'high',
    conduct: { changes: ['credentials', 'privileges'], resourceClass: 'identity', reversible: true },
  },
]
