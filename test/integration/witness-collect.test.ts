// A hub and the witnesses of its log: what a quorum cosigned counts, whatever else they answer does not, and nothing is undone.

import { describe, expect, it } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { testLog } from '../../src/kernel/witness/fixtures/test-log.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { formatSignatureLine, parseVkey } from '../../src/kit/signed-note.ts'
import { checkPolicy, parsePolicy } from '../../src/kit/tlog-policy.ts'
import { verifyProof } from '../../src/kit/tlog-proof.ts'
import { codeOf, entriesOf, errorOf, settle, somebody, tempFolder } from './lab/hubs.ts'
import { alertOf, openLog, put, setPolicy, standIn, statusOf } from './lab/witnesses.ts'
import type { Deed } from './witness-stand-in.ts'

describe('waiting for witnesses', () => {
  it('ends with a checkpoint that the policy accepts, and a proof under it', async () => {
    const witness = await standIn()
    const hub = await openLog()
    await using served = await serve(hub)
    await setPolicy(hub, [witness])
    const answer = await put(hub, { until: 'cosigned' })
    const size = hub.log.positionOf((answer as { cursor: string }).cursor)

    const note = (await served.anyone('/log/checkpoint/witnessed')).text
    const policy = (await served.anyone('/log/policy')).text
    const { checkpoint, isWitnessed, witnessed } = checkPolicy(parsePolicy(policy), note)
    expect([isWitnessed, witnessed.map(({ name }) => name)]).toEqual([true, ['w0']])
    expect(checkpoint.size).toBeGreaterThanOrEqual(size)

    const proof = (await served.owner(`/log/proof/${size - 1}?witnessed`)).text
    const [leaf] = await hub.log.bytes(size - 1, size)
    const keys = [parseVkey(hub.log.vkey), parseVkey(witness.vkey)]
    expect(verifyProof(proof, leafHash(leaf as Uint8Array), keys).verified).toEqual(keys)
    expect(await statusOf(hub)).toMatchObject({ state: 'witnessed', quorum: 'w0' })
  })

  it('is pending while they are silent: what was done stays done, and is witnessed when they are back', async () => {
    const witness = await standIn()
    witness.do(({ response }) => void response.writeHead(503).end())
    const hub = await openLog()
    await using served = await serve(hub)
    await setPolicy(hub, [witness])
    const error = await errorOf(put(hub, { until: 'cosigned', waitMs: 20 }))
    expect(error).toMatchObject({ code: 'witness.pending', facts: { committed: true, witnessedSize: 0 } })
    expect((await hub.ask(hub.owner, 'state.get', { namespace: 'n', key: 'k' })).output).toMatchObject({
      version: 1,
    })
    // Our own signature is on it, and that is not called witnessed, in no place.
    expect(hub.log.witnessed.current()).toBeUndefined()
    expect((await served.anyone('/log/checkpoint/witnessed')).status).toBe(404)
    expect((await served.owner('/log/proof/0?witnessed')).json).toMatchObject({ code: 'witness.pending' })
    expect(await statusOf(hub)).toMatchObject({ state: 'pending', witnessedSize: 0 })

    witness.do(undefined)
    await hub.log.witnessed.reached(hub.log.head().size, { waitMs: 60_000 })
    expect(await statusOf(hub)).toMatchObject({ state: 'witnessed' })
  })

  it('over HTTP is a header, and how long is a preference', async () => {
    const witness = await standIn()
    const hub = await openLog()
    await using served = await serve(hub)
    const ask = (headers: Record<string, string>) =>
      served.owner('/v1/state/n/k', { method: 'PUT', body: { value: 1 }, headers })
    expect((await ask({ 'polity-wait': 'cosigned' })).json).toMatchObject({ code: 'witness.none' })
    expect((await ask({ 'polity-wait': 'signed' })).status).toBe(200)
    expect((await ask({ 'polity-wait': 'soon' })).json).toMatchObject({ code: 'input.invalid' })
    await setPolicy(hub, [witness])
    expect((await ask({ 'polity-wait': 'cosigned' })).status).toBe(200)
    witness.do(({ response }) => void response.writeHead(500).end())
    const late = await ask({ 'polity-wait': 'cosigned', prefer: 'wait=0' })
    expect([late.status, late.json]).toMatchObject([504, { code: 'witness.pending', committed: true }])
  })

  it('is refused, before anything is done, when there is no witness to wait for', async () => {
    const hub = await openLog()
    await hub.invoke(hub.owner, 'witness.set-policy', { policy: `log ${hub.log.vkey}\nquorum none\n` })
    const before = (await entriesOf(hub)).length
    expect(await codeOf(put(hub, { until: 'cosigned' }))).toBe('witness.none')
    expect(await entriesOf(hub)).toHaveLength(before)
    expect(await statusOf(hub)).toMatchObject({ state: 'alone', quorum: 'no witness' })
  })

  it('needs k of n: one that is gone is missed only when it is needed', async () => {
    const witnesses = await Promise.all(
      ['one', 'two', 'three'].map((name) => standIn(`witness.example/${name}`)),
    )
    witnesses[2]?.do(({ response }) => void response.destroy())
    const hub = await openLog()
    await setPolicy(hub, witnesses, 'group two 2 w0 w1 w2')
    await put(hub, { until: 'cosigned' })
    witnesses[1]?.do(({ response }) => void response.destroy())
    await put(hub)
    const size = await settle(hub)
    while (((await statusOf(hub)).witnesses[0]?.size ?? 0) < size) await new Promise(setImmediate)
    // One of three has cosigned everything, and that is not enough.
    expect(hub.log.witnessed.current()?.size).toBeLessThan(size)
    expect(await statusOf(hub)).toMatchObject({ state: 'pending' })
    witnesses[2]?.do(undefined)
    await put(hub, { until: 'cosigned', waitMs: 60_000 })
    const { witnesses: shown } = await statusOf(hub)
    expect(shown.map(({ error }) => error !== undefined)).toEqual([false, true, false])
  })

  it('asks a witness once for what is published while it is busy', async () => {
    const witness = await standIn()
    const hub = await openLog()
    await setPolicy(hub, [witness])
    await put(hub, { until: 'cosigned' })
    const before = witness.received.length
    await Promise.all(Array.from({ length: 200 }, () => put(hub, { until: 'cosigned', waitMs: 60_000 })))
    expect(witness.received.length - before).toBeLessThan(100)
    const sizes = witness.received.map(({ claimed }) => claimed.size)
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
  })
})

describe('a witness that is no witness', () => {
  const DEEDS: Readonly<Record<string, Deed>> = {
    'signs another text': async ({ response, received, sign }) =>
      void response.end(formatSignatureLine(await sign(received.text.replace(/\n\d+\n/, '\n1\n')))),
    'omits the time': async ({ response, received, sign }) =>
      void response.end(formatSignatureLine(await sign(received.text, 0))),
    'signs in the future': async ({ response, received, sign }) =>
      void response.end(formatSignatureLine(await sign(received.text, 4_000_000_000))),
    'sends our own signature back': ({ response, received }) =>
      void response.end(received.checkpoint.slice(received.checkpoint.indexOf('— '))),
    'signs under another key': async ({ response, received, sign }) => {
      const signature = await sign(received.text)
      response.end(formatSignatureLine({ ...signature, name: 'somebody.example' }))
    },
    'says yes in words': ({ response }) => void response.end('yes\n'),
    'says nothing': ({ response }) => void response.end(),
    'changes its mind': ({ response, received }) =>
      void response
        .writeHead(409, { 'content-type': 'text/x.tlog.size' })
        .end(`${received.old === 0 ? 1 : 0}\n`),
    'names no size': ({ response }) =>
      void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('many\n'),
    'claims to have seen more, and shows nothing': ({ response }) =>
      void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('1000000\n'),
  }

  it.each(Object.entries(DEEDS))('%s: never counts, and is recorded once', async (_, deed) => {
    const witness = await standIn()
    witness.do(deed)
    const hub = await openLog()
    await setPolicy(hub, [witness])
    const alert = await alertOf(hub, 'bad-witness')
    expect(alert).toMatchObject({ actor: 'hub:polity', data: { witness: 'witness.example/stand-in' } })
    expect(await codeOf(put(hub, { until: 'cosigned', waitMs: 30 }))).toBe('witness.pending')
    expect(hub.log.witnessed.current()).toBeUndefined()
    witness.do(undefined)
    await hub.log.witnessed.reached(hub.log.head().size, { waitMs: 60_000 })
    expect(await entriesOf(hub, 'log.alert-raised@1')).toHaveLength(1)
  })

  const TROUBLES: Readonly<Record<string, Deed>> = {
    stalls: () => undefined,
    'drips its answer': ({ response }) => void response.write('— '),
    'answers without end': ({ response }) => {
      const more = (error?: Error | null) => {
        if (!error && !response.destroyed) response.write('x'.repeat(65_536), more)
      }
      more()
    },
    'sends us elsewhere': ({ response }) =>
      void response.writeHead(307, { location: 'http://127.0.0.1:1/add-checkpoint' }).end(),
    'hangs up': ({ response }) => void response.destroy(),
    'knows us not': ({ response }) => void response.writeHead(404).end(),
    fails: ({ response }) => void response.writeHead(500).end(),
  }

  it.each(Object.entries(TROUBLES))('%s: is waited for, and no reason for an alert', async (_, deed) => {
    const witness = await standIn()
    witness.do(deed)
    const told = Promise.withResolvers<PolityError>()
    const hub = await openLog({ witness: { timeoutMs: 50 }, onFailure: told.resolve })
    await setPolicy(hub, [witness])
    expect((await told.promise).code).toBe('peer.unreachable')
    expect(await statusOf(hub)).toMatchObject({
      state: 'pending',
      witnesses: [{ error: expect.any(String) }],
    })
    witness.do(undefined)
    await hub.log.witnessed.reached(1, { waitMs: 60_000 })
    expect(await entriesOf(hub, 'log.alert-raised@1')).toEqual([])
  })

  it('cannot make a hub believe that it was rolled back: only our own signature can', async () => {
    const { dir, anchorPath } = tempFolder()
    const witness = await standIn()
    const hub = await openLog({ dir, anchorPath })
    await setPolicy(hub, [witness])
    await put(hub, { until: 'cosigned' })
    await hub.close()
    // A larger checkpoint of our origin, by a key that is not ours.
    const { origin } = hub.log
    witness.shown.set(origin, testLog(origin).grow(1000).note())
    const again = await openLog({ dir, anchorPath })
    expect((await alertOf(again, 'bad-witness')).data).toMatchObject({
      detail: expect.stringContaining('never signed'),
    })
  })
})

describe('a policy', () => {
  it('must list this log, name others as witnesses, and be one that can be met', async () => {
    const witness = await standIn()
    const hub = await openLog()
    const own = (await hub.ask(hub.owner, 'witness.status', {})).output as { vkey: string }
    const log = `log ${hub.log.vkey}\n`
    const refused = [
      'nonsense\n',
      `quorum none\n`,
      `log ${testLog().vkey}\nquorum none\n`,
      `${log}witness w ${witness.vkey} ${witness.url}\nquorum other\n`,
      `${log}witness w ${witness.vkey}\nquorum w\n`,
      `${log}witness w ${witness.vkey} ftp://witness.example\nquorum w\n`,
      `${log}witness w ${witness.vkey} file:///etc/passwd\nquorum w\n`,
      `${log}witness w ${witness.vkey} http://user:secret@witness.example\nquorum w\n`,
      `${log}witness w ${own.vkey} http://127.0.0.1:1\nquorum w\n`,
    ]
    for (const policy of refused)
      expect([policy, await codeOf(hub.invoke(hub.owner, 'witness.set-policy', { policy }))]).toEqual([
        policy,
        'witness.policy',
      ])
    expect(await statusOf(hub)).toMatchObject({ state: 'alone' })
  })

  it('that asks others makes what was witnessed before unwitnessed again', async () => {
    const [one, two] = [await standIn('witness.example/one'), await standIn('witness.example/two')]
    two.do(({ response }) => void response.writeHead(503).end())
    const hub = await openLog()
    await setPolicy(hub, [one])
    await put(hub, { until: 'cosigned' })
    await setPolicy(hub, [two])
    expect(await codeOf(put(hub, { until: 'cosigned', waitMs: 20 }))).toBe('witness.pending')
    expect(hub.log.witnessed.current()).toBeUndefined()
    two.do(undefined)
    await hub.log.witnessed.reached(1, { waitMs: 60_000 })
  })

  it('is for owners to set, and critical: where there are two of them, one alone waits', async () => {
    const hub = await openLog()
    const policy = `log ${hub.log.vkey}\nquorum none\n`
    expect(await hub.invoke(somebody, 'witness.set-policy', { policy })).toMatchObject({ status: 'denied' })
    await hub.invoke(hub.owner, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
    expect(await hub.invoke(hub.owner, 'witness.set-policy', { policy })).toMatchObject({
      status: 'suspended',
    })
  })
})
