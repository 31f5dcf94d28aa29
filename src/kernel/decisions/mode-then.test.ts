// A decision under another mode than the log had in force is found, however well it fits to itself.

import { describe, expect, it } from 'vitest'
import type { Rollout } from '../gate/types.ts'
import { BundleActivated, RolloutChanged, RulesReset } from '../rules/facts.ts'
import { formOf } from '../rules/form.ts'
import { pastDecisions } from './history.ts'
import { asked, gateOf, KeptHistory } from './past.fixture.ts'
import { replayHistory } from './replay.ts'

const RULES = '@id("dev") permit (principal, action, resource in Polity::Resource::"state/dev");'
const DIGEST = `sha256:${'1'.repeat(64)}`
const ENFORCE: Rollout = { mode: 'enforce' }
const LENIENT: Rollout = { mode: 'log-only' }
const HALF: Rollout = { mode: 'enforce', share: { percent: 50, by: 'principal', seed: 's' } }

const started = (rollout: Rollout, replaced?: string) =>
  BundleActivated(
    {
      ...{ bundle: DIGEST, policies: ['dev'], mode: rollout.mode, source: DIGEST, cause: 'started' as const },
      ...(replaced === undefined ? {} : { replaced }),
      configured: { policy: 'starter', rollout: formOf(rollout) },
    },
    { subject: 'gate' },
  )
const changed = (before: Rollout, after: Rollout) =>
  RolloutChanged({ before: formOf(before), after: formOf(after), cause: 'changed' }, { subject: 'gate' })

const replayed = (history: KeptHistory) => replayHistory(pastDecisions(history.ports), history.ports)

/** What a lenient gate lets pass of that which nothing permits. */
async function letPass(history: KeptHistory, rollout = LENIENT): Promise<void> {
  history.decide(await gateOf(RULES, rollout), asked())
}

describe('the mode of a decision', () => {
  it('agrees with a roll-out that the log had in force, through all its changes', async () => {
    const history = new KeptHistory()
    const stages: Rollout[] = [
      LENIENT,
      ENFORCE,
      { mode: 'enforce', actions: [{ prefix: 'state', mode: 'log-only' }] },
      HALF,
      { mode: 'enforce-critical' },
    ]
    history.record(started(LENIENT))
    for (const [at, stage] of stages.entries()) {
      if (at > 0) history.record(changed(stages[at - 1] ?? stage, stage))
      const gate = await gateOf(RULES, stage)
      for (const id of ['alice', 'bob', 'carol', 'dave'])
        history.decide(gate, asked({ chain: [{ kind: 'user', id, roles: [] }] }))
    }
    expect(await replayed(history)).toEqual({ agreed: 20, erased: 0 })
  })

  it('is found where somebody let pass what was to be enforced', async () => {
    const history = new KeptHistory()
    history.record(started(ENFORCE))
    await letPass(history)
    expect(await replayed(history)).toMatchObject({
      difference: { seq: 1, what: 'mode', recorded: 'log-only by hub', replayed: 'enforce by hub' },
    })
  })

  it('is found for one who was left out of a share that he is in', async () => {
    const history = new KeptHistory()
    history.record(started(HALF))
    const gate = await gateOf(RULES, HALF)
    const ids = Array.from({ length: 32 }, (_, at) => `user-${at}`)
    for (const id of ids) history.decide(gate, asked({ chain: [{ kind: 'user', id, roles: [] }] }))
    expect(await replayed(history)).toEqual({ agreed: 32, erased: 0 })
    const past = await Array.fromAsync(pastDecisions(history.ports))
    const outside = past.find(({ modeBy }) => modeBy === 'share')
    const inside = past.find(({ modeBy }) => modeBy === 'hub')
    if (outside === undefined || inside === undefined) throw new Error('a share that shares nothing')
    history.tamper(inside.seq, (data) =>
      Object.assign(data, { mode: 'log-only', modeBy: 'share', effect: 'allow', wouldEffect: 'denied' }),
    )
    expect((await replayed(history)).difference).toMatchObject({
      seq: inside.seq,
      what: 'mode',
      recorded: 'log-only by share',
    })
  })

  it('is that of before the change only where nothing was allowed by it', async () => {
    const refused = new KeptHistory()
    refused.record(started(ENFORCE))
    refused.record(changed(ENFORCE, LENIENT))
    refused.decide(await gateOf(RULES, ENFORCE), asked())
    // Decided a moment before, and recorded a moment after.
    expect(await replayed(refused)).toEqual({ agreed: 1, erased: 0 })

    const allowed = new KeptHistory()
    allowed.record(started(LENIENT))
    allowed.record(changed(LENIENT, ENFORCE))
    await letPass(allowed)
    expect((await replayed(allowed)).difference).toMatchObject({ what: 'mode', replayed: 'enforce by hub' })
  })

  it('of a refusal is not that of long ago', async () => {
    const history = new KeptHistory()
    history.record(started(ENFORCE), '2026-11-20T08:00:00.000Z')
    history.record(changed(ENFORCE, LENIENT), '2026-11-20T09:00:00.000Z')
    history.record(changed(LENIENT, { mode: 'enforce-critical' }), '2026-11-20T09:30:00.000Z')
    history.decide(await gateOf(RULES, ENFORCE), asked(), '2026-11-20T10:00:00.000Z')
    expect((await replayed(history)).difference).toMatchObject({
      what: 'mode',
      recorded: 'enforce by hub',
      replayed: 'enforce-critical by hub',
    })
  })

  it('is taken from the decision only where the log does not say it', async () => {
    const pruned = new KeptHistory()
    // What came before is gone: who knows which roll-out it left behind.
    pruned.record(started(ENFORCE, `sha256:${'2'.repeat(64)}`))
    await letPass(pruned)
    expect(await replayed(pruned)).toEqual({ agreed: 1, erased: 0 })
    pruned.record(changed(LENIENT, ENFORCE))
    await letPass(pruned)
    expect((await replayed(pruned)).difference).toMatchObject({ seq: 3, what: 'mode' })
  })

  it('starts over with the configuration once somebody took the rules back', async () => {
    const history = new KeptHistory()
    history.record(started(ENFORCE))
    history.record(changed(ENFORCE, LENIENT))
    await letPass(history)
    history.record(RulesReset({ user: 'root' }, { subject: 'gate' }))
    history.record(started(ENFORCE))
    await letPass(history)
    expect(await replayed(history)).toMatchObject({ agreed: 1, difference: { seq: 5, what: 'mode' } })
  })
})
