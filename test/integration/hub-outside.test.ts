// Decisions for other programs: who asks for whom, what is recorded, what becomes of it, and who may say so.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import type { Principal } from '../../src/kernel/gate/types.ts'

const deed = { operation: 'payments.refund', resourceType: 'account', resourceId: '42' }
const caller = (principal: Principal): Caller => ({ chain: [principal] })
const shop = caller({ kind: 'service', id: 'shop', roles: [] })
const other = caller({ kind: 'service', id: 'other', roles: [] })

async function opened() {
  const hub = await openHub({ modules: [] })
  const entries = async (type: string) => {
    const page = await hub.log.read({ limit: 1000, type })
    return page.entries
  }
  return {
    hub,
    entries,
    /** Answers once the decision can be read in the log. */
    async act(by: Caller, input: object): Promise<Answer> {
      const answer = await hub.invoke(by, 'outside.act', { ...deed, ...input }, { wait: false })
      await until(async () =>
        (await entries('action.decided@1')).find(({ data }) => data.decision === answer.decision),
      )
      return answer
    },
    report: (by: Caller, decision: string, input: object) =>
      hub.invoke(by, 'outside.report', { decision, ...input }),
    async [Symbol.asyncDispose]() {
      await hub.close()
    },
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to that')
}

type Opened = Awaited<ReturnType<typeof opened>>

const outcomeOf = (lab: Opened, id: string) =>
  until(async () => (await lab.entries('action.finished@1')).find(({ data }) => data.decision === id))

describe('a deed of another program', () => {
  it('that is denied does not hide behind another one that is denied, however like it is', async () => {
    await using lab = await opened()
    const harmless = { operation: 'thing.touch', risk: 'medium' }
    const grave = { operation: 'database.drop', risk: 'critical', conduct: { destructive: true } }
    await lab.act(shop, harmless)
    // Each is answered once it is in the log.
    await lab.act(shop, grave)
    await lab.act(shop, { ...grave, conduct: { destructive: true, blastRadius: 9 } })
    for (let at = 0; at < 3; at++) await lab.hub.invoke(shop, 'outside.act', { ...deed, ...harmless })
    const decided = (await lab.entries('action.decided@1')).map(({ data }) => data)
    expect(decided).toMatchObject([
      { effect: 'denied', risk: 'medium', context: { operation: 'thing.touch' } },
      { effect: 'denied', risk: 'critical', context: { operation: 'database.drop' } },
      { effect: 'denied', risk: 'critical', context: { conduct: { blastRadius: 9 } } },
    ])
  })

  it('is decided and recorded before it is answered, and ends with what is reported', async () => {
    await using lab = await opened()
    const answer = await lab.act(lab.hub.owner, { risk: 'medium' })
    if (answer.status !== 'running') throw new Error(answer.status)
    const [decided] = await lab.entries('action.decided@1')
    expect(decided).toMatchObject({
      actor: 'user:owner',
      data: {
        decision: answer.decision,
        run: answer.decision,
        action: 'outside.act@1',
        resource: 'outside/account/42',
        risk: 'medium',
        effect: 'allow',
        context: { operation: 'payments.refund', resourceType: 'account' },
      },
    })
    await lab.report(lab.hub.owner, answer.decision, { status: 'done', cost: 250 })
    expect(await outcomeOf(lab, answer.decision)).toMatchObject({ data: { status: 'done' } })
    expect(await lab.entries('outside.cost-reported@1')).toMatchObject([
      { data: { decision: answer.decision, cost: 250 } },
    ])
    // Two entries, and one more because it had a cost: the report has none of its own.
    expect((await lab.entries('action.decided@1')).length).toBe(1)
  })

  it('that failed says so with what the program told', async () => {
    await using lab = await opened()
    const { decision } = await lab.act(lab.hub.owner, {})
    await lab.report(lab.hub.owner, decision, { status: 'failed', code: 'E42', message: 'no such account' })
    expect(await outcomeOf(lab, decision)).toMatchObject({
      data: { status: 'failed', code: 'outside.failed', message: 'E42: no such account' },
    })
  })

  it('of which nobody says anything has an unknown outcome, and a report comes too late', async () => {
    await using lab = await opened()
    const { decision } = await lab.act(lab.hub.owner, { outcomeWithinSeconds: 1 })
    expect(await outcomeOf(lab, decision)).toMatchObject({ data: { status: 'unknown' } })
    await expect(lab.report(lab.hub.owner, decision, { status: 'done' })).rejects.toMatchObject({
      code: 'outside.reported',
    })
  })

  it('is of high risk unless the program says otherwise', async () => {
    await using lab = await opened()
    expect(await lab.act(shop, {})).toMatchObject({ status: 'denied' })
    expect(await lab.act(shop, { risk: 'low' })).toMatchObject({ status: 'running' })
    const [denied, allowed] = await lab.entries('action.decided@1')
    expect([denied?.data.risk, allowed?.data.risk]).toEqual(['high', 'low'])
  })

  it('states what it does in words that rules know, and in no others', async () => {
    await using lab = await opened()
    await lab.act(lab.hub.owner, { conduct: { isExternal: true, cost: 3 }, actorLabel: 'till 7' })
    const [entry] = await lab.entries('action.decided@1')
    expect(entry?.data.context).toMatchObject({
      conduct: { isExternal: true, cost: 3 },
      actorLabel: 'till 7',
    })
    for (const input of [
      { conduct: { colour: 'red' } },
      { conduct: { cost: 1.5 } },
      { conduct: { isExternal: 'yes' } },
      { risk: 'none' },
      { subjectKind: 'hub', subjectId: 'polity' },
      { subjectKind: 'user', subjectId: 'a > service:b' },
      { resourceId: 'a\u0085b' },
      { operation: '' },
    ])
      await expect(lab.act(lab.hub.owner, input)).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('keeps what else the program told out of the log', async () => {
    await using lab = await opened()
    await lab.act(lab.hub.owner, { details: { note: 'Mrs. Example' } })
    const [entry] = await lab.entries('action.decided@1')
    expect(JSON.stringify(entry)).not.toContain('Example')
  })
})

describe('on whose behalf', () => {
  const alice = { subjectKind: 'user', subjectId: 'alice' } as const

  it('is the first link of the chain, with the roles that the hub knows and no others', async () => {
    await using lab = await opened()
    const { owner, invoke } = lab.hub
    const asked = await lab.act(owner, alice)
    expect(asked).toMatchObject({ status: 'denied' })
    const issued = await invoke(owner, 'token.create', { kind: 'user', id: 'alice', roles: ['owner'] })
    if (issued.status !== 'done') throw new Error(issued.status)
    const answer = await until(async () => {
      const again = await invoke(owner, 'outside.act', { ...deed, ...alice }, { wait: false })
      return again.status === 'running' ? again : undefined
    })
    const decided = await until(async () =>
      (await lab.entries('action.decided@1')).find(({ data }) => data.decision === answer.decision),
    )
    expect(decided.actor).toBe('user:alice > user:owner')
    const { id } = issued.output as { id: string }
    await invoke(owner, 'token.revoke', { id })
    expect(await invoke(owner, 'outside.act', { ...deed, ...alice })).toMatchObject({ status: 'denied' })
  })

  it('gives the program nothing that it may not do itself', async () => {
    await using lab = await opened()
    const asOwner = { subjectKind: 'user', subjectId: 'owner' } as const
    expect(await lab.act(shop, asOwner)).toMatchObject({ status: 'denied' })
    await expect(lab.hub.ask(shop, 'outside.check', { ...deed, ...asOwner, risk: 'high' })).rejects.toThrow()
    expect((await lab.hub.ask(shop, 'outside.check', { ...deed, ...asOwner })).output).toEqual({
      isAllowed: true,
    })
  })

  it('is not named twice', async () => {
    await using lab = await opened()
    await lab.act(lab.hub.owner, { subjectKind: 'user', subjectId: 'owner' })
    expect((await lab.entries('action.decided@1'))[0]?.actor).toBe('user:owner')
  })
})

describe('a report', () => {
  it('is taken once, however many come at a time', async () => {
    await using lab = await opened()
    const { decision } = await lab.act(lab.hub.owner, {})
    const reports = await Promise.allSettled(
      Array.from({ length: 8 }, (_, at) =>
        lab.report(lab.hub.owner, decision, { status: at % 2 === 0 ? 'done' : 'failed' }),
      ),
    )
    expect(reports.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const each of reports)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'outside.reported' })
    await outcomeOf(lab, decision)
    expect(await lab.entries('action.finished@1')).toHaveLength(1)
  })

  it('comes from the program that asked, whoever it asked for', async () => {
    await using lab = await opened()
    const { decision } = await lab.act(shop, { risk: 'low', subjectKind: 'user', subjectId: 'alice' })
    for (const stranger of [other, lab.hub.owner, caller({ kind: 'user', id: 'alice', roles: [] })]) {
      await expect(lab.report(stranger, decision, { status: 'done' })).rejects.toMatchObject({
        code: 'not-found',
      })
      await expect(lab.hub.ask(stranger, 'outside.get', { decision })).rejects.toMatchObject({
        code: 'not-found',
      })
    }
    expect((await lab.hub.ask(shop, 'outside.get', { decision })).output).toMatchObject({
      decision: true,
      effect: 'allow',
    })
    await lab.report(shop, decision, { status: 'done' })
    await outcomeOf(lab, decision)
    expect((await lab.hub.ask(shop, 'outside.get', { decision })).output).toMatchObject({
      decision: false,
      outcome: 'done',
    })
  })

  it('of a run that is no deed of another program is refused', async () => {
    await using lab = await opened()
    await expect(
      lab.report(lab.hub.owner, '01a1fa2d-f42e-7000-86c9-a3a22bb8997f', { status: 'done' }),
    ).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a deed that is under way', () => {
  it('may not be done any more once anybody of its chain is stopped, and again once he is not', async () => {
    await using lab = await opened()
    const { hub } = lab
    const { decision } = await lab.act(shop, { risk: 'low', subjectKind: 'user', subjectId: 'alice' })
    const said = async () => [
      (await hub.ask(shop, 'outside.get', { decision })).output,
      await hub.invoke(shop, 'outside.take', { decision }).then((each) => 'output' in each && each.output),
    ]
    const change = (name: string) =>
      hub.invoke(hub.owner, name, { principal: 'user:alice', reason: 'a word' })
    expect(await said()).toMatchObject([{ decision: true }, { decision: true }])
    await change('halts.quarantine')
    expect(await said()).toMatchObject([{ decision: false }, { decision: false }])
    await change('halts.release')
    expect(await said()).toMatchObject([{ decision: true }, { decision: true }])
  })
})

describe('what people have to agree to', () => {
  /** A program with the rights of an owner, which may nevertheless not do what is critical alone. */
  async function asking(more: object = {}) {
    const lab = await opened()
    const { owner, identity, invoke } = lab.hub
    const issued = await invoke(owner, 'token.create', { kind: 'service', id: 'robot', roles: ['owner'] })
    if (issued.status !== 'done') throw new Error(issued.status)
    if ('subjectId' in more)
      await invoke(owner, 'token.create', { kind: 'user', id: more.subjectId, roles: ['owner'] })
    const { token } = issued.output as { token: string }
    const robot = await until(() => identity.byToken(token).catch(() => undefined))
    const asked = await lab.act(robot, { risk: 'critical', details: { ticket: 7 }, ...more })
    if (asked.status !== 'suspended') throw new Error(asked.status)
    const look = async (by: Caller, key?: string) => {
      const answer = await invoke(
        by,
        'outside.take',
        { decision: asked.decision },
        key === undefined ? {} : { key },
      )
      return answer.status === 'done' ? (answer.output as Record<string, unknown>) : {}
    }
    const answered = () =>
      until(async () => {
        const { output } = await lab.hub.ask(robot, 'outside.get', { decision: asked.decision })
        const state = output as Record<string, unknown>
        return state.effect === 'suspended' ? undefined : state
      })
    return { lab, robot, asked, look, answered, owner, invoke }
  }

  it('is handed out once, under a new id, to the program that asked', async () => {
    const { lab, robot, asked, look, answered, owner, invoke } = await asking()
    await using _ = lab
    expect(await look(robot)).toMatchObject({
      decision: false,
      effect: 'suspended',
      obligations: ['owner:1'],
      approval: asked.decision,
    })
    await expect(look(other)).rejects.toMatchObject({ code: 'not-found' })
    await invoke(owner, 'approvals.approve', { approval: asked.decision })
    const { id } = await answered()
    expect(id).not.toBe(asked.decision)
    const looks = await Promise.all([look(robot), look(robot), look(robot)])
    expect(looks.filter(({ decision }) => decision === true)).toMatchObject([
      { id, approval: asked.decision, effect: 'allow' },
    ])
    expect(looks.filter(({ isTaken }) => isTaken === true)).toHaveLength(2)
    await lab.report(robot, String(id), { status: 'done' })
    expect(await outcomeOf(lab, String(id))).toMatchObject({ data: { status: 'done' } })
  })

  it('is handed out again to whoever has lost the answer', async () => {
    const { lab, robot, asked, look, answered, owner, invoke } = await asking()
    await using _ = lab
    await invoke(owner, 'approvals.approve', { approval: asked.decision })
    await answered()
    const [first, again] = [await look(robot, 'k'), await look(robot, 'k')]
    expect([first, again]).toMatchObject([{ decision: true }, { decision: true }])
    expect(await look(robot)).toMatchObject({ decision: false, isTaken: true })
  })

  it('is not handed out while somebody for whom it would be done is stopped', async () => {
    const { lab, robot, asked, look, answered, owner, invoke } = await asking({
      subjectKind: 'user',
      subjectId: 'alice',
    })
    await using _ = lab
    await invoke(owner, 'approvals.approve', { approval: asked.decision })
    const { id } = await answered()
    await invoke(owner, 'halts.kill', { principal: 'user:alice', reason: 'stolen', runs: 'leave' })
    const stopped = { decision: false, id, sentence: 'user:alice is stopped, and the deed with it' }
    expect(await look(robot)).toMatchObject(stopped)
    expect(await answered()).toMatchObject(stopped)
  })

  it('is denied once people have said no', async () => {
    const { lab, asked, answered, owner, invoke } = await asking()
    await using _ = lab
    await invoke(owner, 'approvals.deny', { approval: asked.decision, reason: 'not today' })
    expect(await answered()).toMatchObject({
      decision: false,
      effect: 'denied',
      sentence: 'people have said no',
    })
  })
})

describe('a hub that was closed', () => {
  it('still takes the outcome of what it had allowed', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'polity-outside-'))
    const options = { dir, modules: [], anchorPath: join(dir, 'anchor') }
    try {
      const before = await openHub(options)
      const answer = await before.invoke(before.owner, 'outside.act', deed, { wait: false })
      await before.close()
      await using hub = closing(await openHub(options))
      await hub.invoke(hub.owner, 'outside.report', { decision: answer.decision, status: 'done' })
      const finished = await until(async () => {
        const { entries } = await hub.log.read({ limit: 100, type: 'action.finished@1' })
        return entries.find(({ data }) => data.decision === answer.decision)
      })
      expect(finished.data.status).toBe('done')
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})

const closing = <H extends { close(): Promise<void> }>(hub: H) =>
  Object.assign(hub, { [Symbol.asyncDispose]: () => hub.close() })
