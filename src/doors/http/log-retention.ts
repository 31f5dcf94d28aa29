// What a pruned log tells its readers: the policy, the minimum index, and the entries kept as evidence.

import { RetentionNotice } from '../../kernel/retention/contract.ts'
import { Closed, Integer, Type } from '../../kernel/schema/schema.ts'
import { json, LOG_READ, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const Kept = Closed({
  minimumIndex: Integer,
  kept: Type.Array(Closed({ seq: Integer, text: Type.String(), proof: Type.String() })),
})

const MUTABLE = { 'cache-control': 'no-cache' }

/** C2SP tlog-tiles, "Retention Policies": the policy is public, whoever may read the entries. */
export const logRetentionRoutes = (
  { retention }: Pick<ServedHub, 'retention'>,
  isLogPublic: boolean,
): Route[] => [
  {
    method: 'GET',
    path: '/log/retention',
    class: 'log',
    access: 'open',
    docs: [
      {
        operationId: 'log.retention',
        summary: 'How long entries stay, and from which one on the log still holds them.',
        tag: 'log',
        answers: { 200: { description: 'The policy in force.', schema: RetentionNotice } },
        errors: [],
      },
    ],
    handle: async () => json(200, await retention.notice(), MUTABLE),
  },
  {
    method: 'GET',
    path: '/log/kept',
    class: 'log',
    access: isLogPublic ? 'open' : 'principal',
    permission: LOG_READ,
    docs: [
      {
        operationId: 'log.kept',
        summary: 'Entries that were pruned and are kept as evidence, each with its tlog-proof.',
        tag: 'log',
        answers: { 200: { description: 'In order.', schema: Kept } },
        errors: [],
      },
    ],
    handle: async () => {
      const { minimumIndex } = await retention.notice()
      return json(200, { minimumIndex, kept: await retention.kept() }, MUTABLE)
    },
  },
]
