// The witness over HTTP, clause by clause of C2SP tlog-witness: what it answers to a log that is honest, confused, forged or forked.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exchangeRaw, type Reply } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { keySigner } from '../../src/kernel/log/signer.ts'
import { type TestLog, testLog } from '../../src/kernel/witness/fixtures/test-log.ts'
import { formatCheckpoint } from '../../src/kit/checkpoint.ts'
import { verifyCosignature } from '../../src/kit/cosignature.ts'
import { formatVkey, parseNote, parseSignatureLines, parseVkey, signNote } from '../../src/kit/signed-note.ts'
import { originHash } from '../../src/kit/tlog-witness.ts'
import { entriesOf, somebody } from './lab/hubs.ts'

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** The body as the specification writes it, by hand: the code under test has no part in it. */
const bodyOf = (old: number | string, proof: readonly Uint8Array[], note: string) =>
  `old ${old}\n${proof.map((hash) => `${base64(hash)}\n`).join('')}\n${note}`

const openWitness = (...logs: TestLog[]) => openWitnessAt(systemEnv(), ...logs)

async function openWitnessAt(env: Env, ...logs: TestLog[]) {
  const hub = await openHub({ modules: [], publishIntervalMs: 1, env })
  const served = await serve(hub)
  for (const { vkey } of logs) await hub.invoke(hub.owner, 'witness.admit', { vkey })
  const send = (body: string, headers: Record<string, string> = {}): Promise<Reply> =>
    served.anyone('/log/witness/add-checkpoint', {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain', ...headers },
    })
  return {
    hub,
    served,
    send,
    submit: (log: TestLog, old: number, size = log.leaves.length) =>
      send(bodyOf(old, log.proof(old, size), log.note(size))),
    vkey: async () => (await served.anyone('/log/witness/vkey')).text.trim(),
    latest: (log: TestLog) => served.anyone(`/log/witness/${originHash(log.origin)}/checkpoint`),
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  }
}

describe('200', () => {
  it('is a timestamped cosignature of exactly this checkpoint, by the key that the witness names', async () => {
    const log = testLog().grow(7)
    await using witness = await openWitness(log)
    const { status, headers, text } = await witness.submit(log, 0)
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8'])
    const [signature] = parseSignatureLines(text)
    const key = parseVkey(await witness.vkey())
    expect(key.algorithm).toBe(0x04)
    expect(key.publicKey).not.toEqual(parseVkey(witness.hub.log.vkey).publicKey)
    const seconds = verifyCosignature(parseNote(log.note()).text, key, signature as never)
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(600)
    expect(() => verifyCosignature(parseNote(log.note(6)).text, key, signature as never)).toThrow()
  })

  it('follows a log as it grows, by any steps, and shows the newest with both signatures', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(300), { minLength: 1, maxLength: 6 }), async (steps) => {
        const log = testLog()
        await using witness = await openWitness(log)
        for (const step of steps) {
          const old = log.leaves.length
          log.grow(step)
          expect((await witness.submit(log, old)).status).toBe(200)
        }
        const { text } = await witness.latest(log)
        const { text: checkpoint, signatures } = parseNote(text)
        expect(checkpoint).toBe(parseNote(log.note()).text)
        expect(signatures.map(({ name }) => name)).toEqual([log.origin, parseVkey(await witness.vkey()).name])
      }),
      { numRuns: 5 },
    )
  })

  it('ignores signatures of unknown keys, and keeps none of them', async () => {
    const log = testLog().grow(2)
    await using witness = await openWitness(log)
    const stranger = keySigner('somebody.example')
    const line = parseNote(signNote(parseNote(log.note()).text, stranger.key, stranger.sign))
    const more =
      log.note() +
      `— somebody.example ${base64(Buffer.concat([line.signatures[0]?.id ?? '', line.signatures[0]?.signature ?? ''] as Uint8Array[]))}\n`
    expect((await witness.send(bodyOf(0, [], more))).status).toBe(200)
    expect((await witness.latest(log)).text).not.toContain('somebody.example')
  })

  it('takes the body whatever media type it is called, and none', async () => {
    const log = testLog().grow(2)
    await using witness = await openWitness(log)
    await witness.submit(log, 0)
    for (const type of ['application/octet-stream', 'application/json', 'application/x-www-form-urlencoded'])
      expect((await witness.send(bodyOf(2, [], log.note()), { 'content-type': type })).status).toBe(200)
    const body = bodyOf(2, [], log.note())
    const raw = await exchangeRaw(
      witness.served.url,
      `POST /log/witness/add-checkpoint HTTP/1.1\r\nhost: ${new URL(witness.served.url).host}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    expect(raw).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('cosigns the empty tree, and then whatever grows out of it', async () => {
    const log = testLog()
    await using witness = await openWitness(log)
    expect((await witness.submit(log, 0)).status).toBe(200)
    expect((await witness.submit(log.grow(1), 0)).status).toBe(200)
  })

  it('trusts a log under two keys while it changes them', async () => {
    const log = testLog().grow(1)
    const next = testLog(log.origin).grow(1)
    await using witness = await openWitness(log, next)
    expect((await witness.submit(log, 0)).status).toBe(200)
    log.grow(1)
    next.grow(1)
    expect((await witness.submit(next, 1)).status).toBe(200)
  })
})

describe('refused', () => {
  it('400: whatever has not exactly the form, and an old size above the new one', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    const note = log.note()
    const hash = log.root()
    const malformed = [
      '',
      '\n',
      note,
      `old\n\n${note}`,
      bodyOf('01', [], note),
      bodyOf('-1', [], note),
      bodyOf('+1', [], note),
      bodyOf('1e0', [], note),
      bodyOf('0x1', [], note),
      bodyOf('9007199254740992', [], note),
      bodyOf(6, [], note),
      bodyOf(0, [], note.replaceAll('\n', '\r\n')),
      bodyOf(0, [], note.slice(0, -1)),
      bodyOf(0, [], note.replace('\n5\n', '\n05\n')),
      bodyOf(0, [hash.subarray(1)], note),
      bodyOf(1, Array(64).fill(hash), note),
      `old 0\n!!!!\n\n${note}`,
      bodyOf(0, [], `${note}\u0000`),
      `\ufeff${bodyOf(0, [], note)}`,
    ]
    for (const body of malformed) expect([body, (await witness.send(body)).status]).toEqual([body, 400])
    expect((await witness.latest(log)).status).toBe(404)
  })

  it('400: bytes that are not UTF-8, even where nobody would look at them', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    // Decoded carelessly, this would be the signature line of an unknown key.
    const body = Buffer.concat([
      Buffer.from(`${bodyOf(0, [], log.note())}— `),
      Buffer.from([0xff]),
      Buffer.from(' AAAAAAA=\n'),
    ])
    const url = `${witness.served.url}/log/witness/add-checkpoint`
    expect((await fetch(url, { method: 'POST', body })).status).toBe(400)
  })

  it('404: an origin that nobody admitted, or that was dismissed', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness()
    expect((await witness.submit(log, 0)).status).toBe(404)
    await witness.hub.invoke(witness.hub.owner, 'witness.admit', { vkey: log.vkey })
    expect((await witness.submit(log, 0)).status).toBe(200)
    await witness.hub.invoke(witness.hub.owner, 'witness.dismiss', { origin: log.origin })
    expect((await witness.submit(log, 5)).status).toBe(404)
    // What was cosigned stays cosigned: a log that is admitted again cannot begin anew.
    await witness.hub.invoke(witness.hub.owner, 'witness.admit', { vkey: log.vkey })
    expect((await witness.submit(log, 0)).status).toBe(409)
  })

  it('403: no signature of an admitted key, or one that does not fit', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    const stranger = testLog(log.origin).grow(5)
    expect((await witness.submit(stranger, 0)).status).toBe(403)
    const forged = log.note().replace(base64(log.root()), base64(log.root(4)))
    expect((await witness.send(bodyOf(0, [], forged))).status).toBe(403)
    // One good signature does not save a note in which another one of a known key is wrong.
    const both = `${log.note()}${forged.slice(forged.indexOf('— ')).replace(/.{4}=*\n$/, 'AAAA\n')}`
    expect([400, 403]).toContain((await witness.send(bodyOf(0, [], both))).status)
    expect((await witness.latest(log)).status).toBe(404)
  })

  it('409: another old size than was cosigned last, with that size', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    const first = await witness.submit(log, 3)
    expect([first.status, first.headers['content-type'], first.text]).toEqual([
      409,
      'text/x.tlog.size',
      '0\n',
    ])
    await witness.submit(log, 0)
    log.grow(5)
    for (const old of [0, 4, 6]) expect((await witness.submit(log, old)).text).toBe('5\n')
    expect((await witness.submit(log, 3, 4)).text).toBe('5\n')
  })

  it('422: a proof that does not prove, one where there is nothing to prove, and an empty tree with another root', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    const empty = signNote(
      formatCheckpoint({ origin: log.origin, size: 0, root: log.root() }),
      log.signer.key,
      log.signer.sign,
    )
    expect((await witness.send(bodyOf(0, [], empty))).status).toBe(422)
    expect((await witness.send(bodyOf(0, [log.root()], log.note()))).status).toBe(422)
    await witness.submit(log, 0)
    log.grow(5)
    const proof = log.proof(5)
    for (const wrong of [[], proof.slice(1), proof.toReversed(), [...proof, log.root()]])
      expect((await witness.send(bodyOf(5, wrong, log.note()))).status).toBe(422)
    expect((await witness.send(bodyOf(5, [log.root()], log.note(5)))).status).toBe(422)
    expect((await witness.submit(log, 5)).status).toBe(200)
  })

  it('405 for another method, and 413 for a body that no checkpoint needs', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    expect((await witness.served.anyone('/log/witness/add-checkpoint')).status).toBe(405)
    expect((await witness.send(bodyOf(0, [], log.note()).padEnd(65_537, '\n'))).status).toBe(413)
  })

  it('400: a checkpoint with extension lines without end', async () => {
    const log = testLog().grow(1)
    await using witness = await openWitness(log)
    const sign = (extensions: string[]) =>
      signNote(
        formatCheckpoint({ origin: log.origin, size: 1, root: log.root(), extensions }),
        log.signer.key,
        log.signer.sign,
      )
    expect((await witness.send(bodyOf(0, [], sign(['x'.repeat(20_000)])))).status).toBe(400)
    expect(await witness.send(bodyOf(0, [], sign(['a line'])))).toMatchObject({ status: 200 })
  })

  it('429: more new checkpoints at once than a log has reason for; other logs do not suffer', async () => {
    const log = testLog().grow(1)
    const other = testLog('log.example/other').grow(1)
    const env = systemEnv()
    await using witness = await openWitness(log, other)
    const stopped: Env = {
      ...env,
      monotonic: () => 0,
      // What sleeps still wakes: the hub's own loops take their time.
      sleepUntil: (atMs, signal) => env.sleepUntil(env.monotonic() + atMs, signal),
    }
    await using frozen = await openWitnessAt(stopped, log, other)
    const statuses: number[] = []
    for (let size = 1; size <= 202; size++) {
      statuses.push((await frozen.submit(log, size - 1, size)).status)
      log.grow(1)
    }
    expect(statuses).toEqual([...Array(200).fill(200), 429, 409])
    expect((await frozen.submit(other, 0)).status).toBe(200)
    // While time passes, there is enough for everybody.
    expect((await witness.submit(log, 0)).status).toBe(200)
  })

  it('does not count against a log who asks again for what was just cosigned', async () => {
    const log = testLog().grow(1)
    await using witness = await openWitness(log)
    await witness.submit(log, 0)
    const replies = await Promise.all(Array.from({ length: 30 }, () => witness.submit(log, 1)))
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  })
})

describe('a log that has two histories', () => {
  it('gets no cosignature for the second, and both notes are recorded once', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    await witness.submit(log, 0)
    const other = log.fork(4).grow(1, 'another')
    for (let n = 0; n < 3; n++) expect((await witness.submit(other, 5, 5)).status).toBe(422)
    // With another old size the specification wants a conflict; the evidence is no less evidence.
    expect((await witness.send(bodyOf(0, [], other.note()))).status).toBe(409)
    const [alert, ...others] = await entriesOf(witness.hub, 'log.alert-raised@1')
    expect(others).toEqual([])
    const data = alert?.data as { readonly evidence: readonly string[] }
    expect(data).toMatchObject({ log: log.origin, kind: 'fork', size: 5 })
    expect(data.evidence.map((note) => parseNote(note).text)).toEqual([
      parseNote(log.note()).text,
      parseNote(other.note()).text,
    ])
    expect((await witness.latest(log)).text).toContain(base64(log.root()))
  })

  it('cannot win by speed: of many forks at once, one history is cosigned', async () => {
    const log = testLog().grow(5)
    await using witness = await openWitness(log)
    await witness.submit(log, 0)
    const forks = Array.from({ length: 20 }, (_, n) => log.fork(5).grow(1 + (n % 3), `fork ${n}`))
    // All of them are checked before the first is written.
    const answers = await Promise.allSettled(
      forks.map((fork) =>
        witness.hub.witness.addCheckpoint(Buffer.from(bodyOf(5, fork.proof(5), fork.note()))),
      ),
    )
    const won = answers.findIndex(({ status }) => status === 'fulfilled')
    const refused = answers.filter((answer) => answer.status === 'rejected')
    expect(refused.map(({ reason }) => [reason.code, reason.facts.size])).toEqual(
      Array(19).fill(['witness.conflict', forks[won]?.leaves.length]),
    )
    expect((await witness.latest(log)).text).toContain(base64(forks[won]?.root() ?? Buffer.alloc(0)))
  })
})

describe('whom a hub cosigns', () => {
  it('is said by an owner: nobody else, not itself, and by the key of a log', async () => {
    await using witness = await openWitness()
    const { hub } = witness
    const code = async (vkey: string) =>
      hub.invoke(hub.owner, 'witness.admit', { vkey }).then(
        ({ status }) => status,
        (error: { code: string }) => error.code,
      )
    expect(await code(hub.log.vkey)).toBe('witness.key')
    expect(await code(await witness.vkey())).toBe('witness.key')
    expect(await code('nonsense')).toBe('witness.key')
    expect(await hub.invoke(somebody, 'witness.admit', { vkey: testLog().vkey })).toMatchObject({
      status: 'denied',
    })
    expect(await code(formatVkey(testLog().signer.key))).toBe('done')
  })
})
