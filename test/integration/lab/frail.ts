// The handlers of a module for tests: each action leaves a fact, and each of its sources breaks as it is told to.

import { defineModule, type Module } from '../../../src/kernel/catalog/module.ts'
import type { StandingSource } from '../../../src/kernel/catalog/standing.ts'
import * as contract from './frail.contract.ts'
import { Acted, act, actMore, actWorst, look, Turned, turn, walk } from './frail.contract.ts'

/** @param standing what the module pretends to know of whoever asks */
export const frail = (standing?: StandingSource): Module =>
  defineModule(
    'frail',
    { url: new URL('./frail.contract.ts', import.meta.url).href, exports: contract },
    {
      commands: [
        ...[act, actMore, actWorst].map((each) =>
          each.handle((ctx) => {
            ctx.record(Acted({ by: ctx.chain.map(({ id }) => id).join(' '), action: each.name }))
            return {}
          }),
        ),
        walk.handle(async (ctx) => {
          await ctx.step('walk', ({ record }) => {
            record(Acted({ by: ctx.chain.map(({ id }) => id).join(' '), action: walk.name }))
            return null
          })
          return {}
        }),
        turn.handle((ctx, { knob }) => {
          ctx.record(Turned({ knob }))
          return {}
        }),
      ],
      queries: [look.handle(() => ({}))],
      ...(standing === undefined ? {} : { standing }),
    },
  )
