// What is counted of decisions while somebody watches the rules under which they were taken, and when that is harm.

import { expect, it } from 'vitest'
import { loadBundle } from '../gate/bundle.ts'
import { openGate } from '../gate/gate.ts'
import { STARTER_ACTIONS } from '../gate/starter-actions.fixture.ts'
import { STARTER_SCHEMA } from '../gate/starter-schema.fixture.ts'
import { type GateRequest, PLAIN_STANDING } from '../gate/types.ts'
import { harmIn, NOTHING_COUNTED, watched } from './watching.ts'

const rules = (...texts: string[]) =>
  loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text: texts.join('\n') }])
const OPEN = '@id("all") permit (principal, action, resource);'
const NO_PUTS = '@id("no-puts") forbid (principal, action == Polity::Action::"state.put@1", resource);'
const NO_REMOVALS =
  '@id("no-removals") forbid (principal, action == Polity::Action::"state.remove@1", resource);'
const asked = (action: string): GateRequest => ({
  chain: [{ kind: 'user', id: 'alice', roles: [] }],
  action,
  resource: 'state/x',
  risk: 'low',
  facts: {},
  standing: PLAIN_STANDING,
  inScope: true,
  approvals: [],
  solo: false,
  now: '2026-11-20T10:00:00.000Z',
})

async function watchedGate(isWatched: () => boolean) {
  const actions = [{ name: 'state.put@1' }, { name: 'state.remove@1' }, ...STARTER_ACTIONS]
  const gate = await openGate({ bundle: await rules(OPEN), actions, rollout: { mode: 'enforce' } })
  let askedBefore = 0
  const counting: typeof gate = {
    ...gate,
    get bundle() {
      return gate.bundle
    },
    decideBefore(request) {
      askedBefore += 1
      return gate.decideBefore(request)
    },
  }
  return { ...watched(counting, isWatched), askedBefore: () => askedBefore }
}

it('counts what is denied now and was not before, while somebody watches', async () => {
  const { gate, counts } = await watchedGate(() => true)
  gate.load(await rules(OPEN, NO_PUTS))
  expect(counts()).toEqual(NOTHING_COUNTED)
  gate.decide(asked('state.put@1'))
  gate.decide(asked('state.remove@1'))
  expect(counts()).toEqual({ asked: 2, denied: 1, failed: 0 })
  gate.load(await rules(OPEN))
  expect(counts()).toEqual(NOTHING_COUNTED)
})

it('counts nothing for nobody, and asks no other rules about what is denied', async () => {
  let isWatched = false
  const { gate, counts, askedBefore } = await watchedGate(() => isWatched)
  gate.load(await rules(OPEN, NO_PUTS))
  expect(gate.decide(asked('state.put@1')).effect).toBe('denied')
  expect([counts(), askedBefore()]).toEqual([NOTHING_COUNTED, 0])
  isWatched = true
  gate.decide(asked('state.put@1'))
  expect([counts(), askedBefore()]).toEqual([{ asked: 1, denied: 1, failed: 0 }, 1])
})

it('leaves out what the rules before denied, too', async () => {
  const { gate, counts } = await watchedGate(() => true)
  gate.load(await rules(OPEN, NO_PUTS))
  gate.load(await rules(OPEN, NO_PUTS, NO_REMOVALS))
  gate.decide(asked('state.put@1'))
  gate.decide(asked('state.remove@1'))
  expect(counts()).toEqual({ asked: 1, denied: 1, failed: 0 })
})

it.each([
  [{ asked: 4, denied: 4, failed: 4 }, undefined],
  [{ asked: 10, denied: 5, failed: 0 }, undefined],
  [{ asked: 10, denied: 6, failed: 0 }, '6 of 10 requests since were denied: more than 50 percent'],
  [{ asked: 20, denied: 0, failed: 1 }, undefined],
  [{ asked: 20, denied: 0, failed: 2 }, '2 of 20 decisions since met an error in a policy'],
])('%o is harm: %s', (found, harm) => {
  expect(harmIn(found, 50)).toBe(harm)
})
