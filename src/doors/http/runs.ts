// Runs over HTTP: how far a long-running action is, and what became of it.

import type { Caller } from '../../kernel/catalog/caller.ts'
import { asPolityError, problemOf } from '../../kernel/errors.ts'
import { Closed, Type } from '../../kernel/schema/schema.ts'
import { CURSOR_HEADER } from './actions.ts'
import { json, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const RunAnswer = Type.Union([
  Closed({
    status: Type.Literal('running'),
    run: Type.String(),
    decision: Type.String(),
    cursor: Type.String(),
    /** Why a person is needed before it goes on. */
    parked: Type.Optional(Type.String()),
  }),
  Closed({
    status: Type.Literal('done'),
    run: Type.String(),
    decision: Type.String(),
    cursor: Type.String(),
    output: Type.Unknown(),
  }),
  Closed({
    status: Type.Literal('failed'),
    run: Type.String(),
    error: Type.Unsafe({ $ref: '#/components/schemas/Problem' }),
  }),
])

export const runRoutes = (hub: ServedHub): Route[] => [
  {
    method: 'GET',
    path: '/v1/runs/{id}',
    class: 'run',
    access: 'principal',
    docs: [
      {
        operationId: 'run.get',
        summary:
          'A run: still running (or parked until somebody has looked), done with its output, or failed with its error.',
        tag: 'runs',
        parameters: [{ name: 'id', in: 'path', isRequired: true, schema: Type.String() }],
        answers: {
          200: {
            description: 'The run, whatever became of it.',
            schema: RunAnswer,
            headers: [CURSOR_HEADER],
          },
        },
        errors: ['run.not-found'],
      },
    ],
    handle: async ({ caller, params: { id = '' } }) => {
      await hub.permit(ofItsRun(caller), 'runs.get', { input: { run: id } })
      try {
        const answer = await hub.run(caller, id)
        return json(200, answer, {
          'cache-control': 'no-store',
          ...('cursor' in answer ? { [CURSOR_HEADER]: answer.cursor } : {}),
        })
      } catch (thrown) {
        const error = asPolityError(thrown)
        // The run's own error is what was asked for; any other is ours.
        if (error.facts.run !== id) throw error
        return json(
          200,
          { status: 'failed', run: id, error: problemOf(error) },
          { 'cache-control': 'no-store' },
        )
      }
    },
  },
]

/**
 * What became of a run belongs to what its token was let do, so the token's scopes have no say; the rules have. That it is
 * the caller's own run, or that he is an owner whose token covers everything, `hub.run` sees to.
 */
const ofItsRun = ({ scopes: _, ...caller }: Caller): Caller => caller
