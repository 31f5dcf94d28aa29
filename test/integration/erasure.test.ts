// Erasing: what refuses it, what it leaves, and what the report says of it before and after.

import { createPublicKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../src/kit/canonical-json.ts'
import { openEnvelope, verifyEnvelope } from '../../src/kit/dsse.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { parseVkey } from '../../src/kit/signed-note.ts'
import { verifyProof } from '../../src/kit/tlog-proof.ts'
import { codeOf, ENGINES, entriesOf, errorOf, owner, somebody } from './lab/hubs.ts'
import { agedHub } from './retention-fixture.ts'

const SUBJECT = 'state/ns/k'
const put = { namespace: 'ns', key: 'k', value: { name: 'Ada' } }

interface Report {
  readonly state: string
  readonly payloads: number
  readonly erasures: readonly object[]
  readonly holds: readonly object[]
  readonly entries: readonly { readonly seq: number }[]
  readonly decisions: readonly { readonly seq: number; readonly decision: string }[]
  readonly proof?: { readonly seq: number; readonly text: string }
  readonly after?: number
}

describe.each(ENGINES)('erasing (%s)', (engine) => {
  it('is refused under a legal hold, which the log records as a decision that failed', async () => {
    const { hub, act, ask } = await agedHub(engine)
    await act('state.put', put)
    await act('hold.place', { name: 'case', reason: 'a lawsuit', subject: SUBJECT })
    const refused = await errorOf(hub.invoke(owner, 'vault.erase', { subject: SUBJECT }, { key: 'once' }))
    expect(refused).toMatchObject({ code: 'hold.active', status: 409, facts: { hold: 'case' } })
    expect(await ask('state.get', { namespace: 'ns', key: 'k' })).toMatchObject({ value: { name: 'Ada' } })
    const failed = (await entriesOf(hub, 'action.finished@1')).at(-1)
    expect(failed?.data).toMatchObject({ action: 'vault.erase@1', status: 'failed', code: 'hold.active' })
    const decided = (await entriesOf(hub, 'action.decided@1')).find(({ id }) => id === failed?.data.decision)
    expect(decided?.data).toMatchObject({
      action: 'vault.erase@1',
      effect: 'allow',
      input: { subject: SUBJECT },
    })
    expect(await entriesOf(hub, 'vault.subject-erased@1')).toHaveLength(0)

    await act('hold.release', { name: 'case', reason: 'settled' })
    // The same request, asked again, is not answered from memory.
    expect(await hub.invoke(owner, 'vault.erase', { subject: SUBJECT }, { key: 'once' })).toMatchObject({
      status: 'done',
      output: { payloads: 1 },
    })
    expect(JSON.stringify(await ask('state.get', { namespace: 'ns', key: 'k' }))).toContain('$erased')
  })

  it('and a hold that is placed at the same time exclude each other', async () => {
    const { hub, act, ask } = await agedHub(engine)
    for (let round = 0; round < 8; round++) {
      const key = `r${round}`
      const subject = `state/ns/${key}`
      await act('state.put', { namespace: 'ns', key, value: 'private' })
      const [hold, erase] = await Promise.allSettled([
        hub.invoke(owner, 'hold.place', { name: key, reason: 'r', subject }),
        hub.invoke(owner, 'vault.erase', { subject }),
      ])
      expect(hold.status).toBe('fulfilled')
      const entries = await entriesOf(hub)
      const seqOf = (type: string) =>
        entries.find(({ type: each, data }) => each === type && data.subject === subject)?.seq
      const erasedAt = seqOf('vault.subject-erased@1')
      // Erased before the hold stood, or not at all.
      if (erase.status === 'fulfilled') expect(erasedAt).toBeLessThan(seqOf('log.hold-placed@1') ?? 0)
      else
        expect([erasedAt, (await ask('state.get', { namespace: 'ns', key })) as object]).toMatchObject([
          undefined,
          { value: 'private' },
        ])
    }
  })
})

describe('the erasure report', () => {
  it('says before what would go, and after what went, with a proof that stays valid', async () => {
    const { hub, act, ask } = await agedHub('memory')
    await act('state.put', put)
    await act('state.put', { ...put, value: { name: 'Ada Lovelace' } })
    const report = async () =>
      ((await ask('erasure.report', { subject: SUBJECT })) as { report: Report }).report
    const before = await report()
    expect(before).toMatchObject({ state: 'stored', payloads: 2, erasures: [], holds: [] })
    expect(before.entries).toHaveLength(2)
    expect(before.decisions).toHaveLength(2)
    const decisions = (await entriesOf(hub, 'action.decided@1')).filter(
      ({ data }) => data.action === 'state.put@1',
    )
    expect(before.decisions.map(({ decision }) => decision)).toEqual(decisions.map(({ id }) => id))

    await act('vault.erase', { subject: SUBJECT })
    await act('hold.place', { name: 'late', reason: 'r', subject: SUBJECT })
    const after = await report()
    expect(after).toMatchObject({ state: 'erased', payloads: 0, holds: [{ name: 'late' }] })
    expect(after.erasures).toMatchObject([{ by: 'user:owner', payloads: 2 }])
    expect(after.entries).toEqual(before.entries)
    expect(after.decisions).toEqual(before.decisions)
    for (const { proof } of [before, after]) {
      const { text } = await hub.log.entry(proof?.seq ?? -1)
      const proven = verifyProof(proof?.text ?? '', leafHash(Buffer.from(text)), [parseVkey(hub.log.vkey)])
      expect(proven.index).toBe(before.entries[0]?.seq)
    }
  })

  it('is signed by the key of statements that the first entry names', async () => {
    const { hub, ask } = await agedHub('memory')
    const { report, envelope } = (await ask('erasure.report', { subject: 'nobody' })) as {
      report: Report
      envelope: unknown
    }
    expect(report).toMatchObject({ state: 'unknown', payloads: 0, entries: [], decisions: [] })
    const { statementKey } = (await hub.log.entry(0)).entry.data as {
      statementKey: { keyid: string; publicKey: string }
    }
    const raw = Buffer.from(statementKey.publicKey, 'base64')
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
    expect(verifyEnvelope(envelope, [{ keyid: statementKey.keyid, publicKey }])).toEqual([statementKey.keyid])
    expect(Buffer.from(openEnvelope(envelope).payload).toString()).toBe(canonicalize(report))
  })

  it('comes in pages that name every entry once', async () => {
    const { act, ask } = await agedHub('memory')
    for (let count = 0; count < 230; count++) await act('state.put', { ...put, value: count })
    const seqs: number[] = []
    let after: number | undefined
    do {
      const { report } = (await ask('erasure.report', {
        subject: SUBJECT,
        ...(after === undefined ? {} : { after }),
      })) as { report: Report }
      expect(report.entries.length).toBeLessThanOrEqual(200)
      expect(report.decisions).toHaveLength(report.entries.length)
      seqs.push(...report.entries.map(({ seq }) => seq))
      after = report.after
    } while (after !== undefined)
    expect(seqs).toHaveLength(230)
    expect(new Set(seqs).size).toBe(230)
  })

  it('is for the owner', async () => {
    const { hub } = await agedHub('memory')
    for (const name of ['erasure.report', 'hold.list', 'decision.replay']) {
      const input = { 'erasure.report': { subject: 's' }, 'decision.replay': { seq: 0 } }[name] ?? {}
      expect(await codeOf(hub.ask(somebody, name, input))).toBe('denied')
    }
  })
})

describe('replaying a decision', () => {
  it('comes to the same verdict, until its inputs are erased', async () => {
    const { hub, act, ask } = await agedHub('memory')
    await act('state.put', put)
    await act('state.put', { ...put, key: 'other' })
    const denied = await hub.invoke(somebody, 'vault.erase', { subject: SUBJECT })
    expect(denied.status).toBe('denied')
    const decisions = await entriesOf(hub, 'action.decided@1')
    const [first, second] = decisions.filter(({ data }) => data.action === 'state.put@1')
    for (const { seq, data } of decisions)
      expect(await ask('decision.replay', { seq })).toMatchObject({
        isSame: true,
        recorded: { effect: data.effect },
      })
    await act('vault.erase', { subject: SUBJECT })
    const erased = await errorOf(hub.ask(owner, 'decision.replay', { seq: first?.seq }))
    expect(erased).toMatchObject({ code: 'inputs-erased', status: 410 })
    expect(await ask('decision.replay', { seq: second?.seq })).toMatchObject({ isSame: true })
    // What was refused kept no inputs, so none of it was erased.
    const refused = decisions.find(({ data }) => data.effect === 'denied')
    expect(await ask('decision.replay', { seq: refused?.seq })).toMatchObject({
      replayed: { effect: 'denied' },
    })
    expect(await codeOf(hub.ask(owner, 'decision.replay', { seq: 0 }))).toBe('not-found')
  })
})
