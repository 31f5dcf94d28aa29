// Handing a log over from one signing key to the next: by its owner, through the gate, on disk, and for whoever trusts an older key.

import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Hub, type HubOptions, openHub } from '../../src/hub.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { breakSeal } from '../../src/kernel/audit/verify/seal.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { keySigner, writeKeyFile } from '../../src/kernel/log/signer.ts'
import { formatVkey, openNote, parseVkey, signNote } from '../../src/kit/signed-note.ts'
import { state } from '../../src/modules/state/module.ts'

/** A machine that is busy with other things takes its time. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 })

let scratch = ''
let opened: Hub[] = []
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polity-keys-'))
})
afterEach(async () => {
  for (const hub of opened.splice(0)) await hub.close()
  rmSync(scratch, { recursive: true, force: true })
})

const anchorPath = () => join(scratch, 'anchor')
const paths = () => dataPaths(join(scratch, 'data'))
async function open(over: Partial<HubOptions> = {}): Promise<Hub> {
  const hub = await openHub({
    dir: join(scratch, 'data'),
    anchorPath: anchorPath(),
    modules: [state],
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
    ...over,
  })
  opened.push(hub)
  return hub
}
async function close(hub: Hub): Promise<void> {
  opened = opened.filter((each) => each !== hub)
  await hub.close()
}

async function ask(hub: Hub, action: string, input: object = {}): Promise<Record<string, string>> {
  const answer = await hub.invoke(hub.owner, action, input)
  if (answer.status !== 'done') expect.unreachable(JSON.stringify(answer))
  return answer.output as Record<string, string>
}
const put = (hub: Hub, key: string) => ask(hub, 'state.put', { namespace: 'n', key, value: key })
const signers = (hub: Hub, ...vkeys: readonly string[]) =>
  openNote(hub.log.head().checkpoint, vkeys.map(parseVkey)).verified.length

const verify = (vkey?: string) =>
  verifyData(join(scratch, 'data'), { env: {}, anchorPath: anchorPath(), ...(vkey ? { vkey } : {}) })
const lines = (hub: Hub) => hub.log.head().checkpoint.split('\n').length

describe('a rotation', () => {
  it('lets old and new key sign, then the new one alone', async () => {
    const hub = await open()
    const first = hub.log.vkey
    const { from, to } = await ask(hub, 'keys.rotate')
    expect(from).toBe(first)
    await eventually(() => hub.log.vkey).toBe(to)
    await put(hub, 'a')
    await eventually(() => signers(hub, first, to as string)).toBe(2)
    expect(readFileSync(paths().vkey, 'utf8')).toBe(`${to}\n`)
    expect(statSync(`${paths().signingKey}.next`).mode & 0o777).toBe(0o600)
    await expect(ask(hub, 'keys.rotate')).rejects.toMatchObject({ code: 'keys.overlap' })
    expect(await ask(hub, 'keys.retire')).toEqual({ retired: first, current: to })
    await eventually(() => existsSync(`${paths().signingKey}.next`)).toBe(false)
    await put(hub, 'b')
    await eventually(() => lines(hub)).toBe(6)
    expect(signers(hub, to as string)).toBe(1)
    await expect(ask(hub, 'keys.retire')).rejects.toMatchObject({ code: 'keys.overlap' })
    const { items } = (await hub.ask(hub.owner, 'keys.list', {})).output as {
      items: { vkey: string; state: string }[]
    }
    expect(items.map(({ vkey, state }) => [vkey, state])).toEqual([
      [first, 'retired'],
      [to, 'current'],
    ])
  })

  it('is followed by verify from any key that the log ever had, and from no other', async () => {
    const keys: string[] = []
    const hub = await open()
    keys.push(hub.log.vkey)
    for (let n = 0; n < 2; n++) {
      await put(hub, `k${n}`)
      keys.push((await ask(hub, 'keys.rotate', { overlapHours: 0 })).to as string)
      await eventually(() => hub.log.vkey).toBe(keys.at(-1))
    }
    await put(hub, 'last')
    await close(hub)
    for (const vkey of [...keys, undefined]) {
      const { log } = await verify(vkey)
      expect(log.keys?.map((each) => each.vkey)).toEqual(keys)
      expect(log).toMatchObject({ vkey: vkey ?? keys.at(-1), isPinned: vkey !== undefined })
    }
    const stranger = formatVkey(keySigner(parseVkey(keys[0] as string).name).key)
    await expect(verify(stranger)).rejects.toMatchObject({ facts: { reason: 'key-chain' } })
    const other = formatVkey(keySigner('other.example').key)
    await expect(verify(other)).rejects.toMatchObject({ facts: { reason: 'vkey' } })
  })

  it('survives a restart at every stage', async () => {
    let hub = await open()
    const first = hub.log.vkey
    const { to } = await ask(hub, 'keys.rotate')
    await close(hub)
    hub = await open()
    expect(hub.log.vkey).toBe(to)
    await put(hub, 'a')
    await eventually(() => signers(hub, first, to as string)).toBe(2)
    await ask(hub, 'keys.retire')
    await close(hub)
    hub = await open()
    await put(hub, 'b')
    expect(hub.log.vkey).toBe(to)
    await eventually(() => lines(hub)).toBe(6)
    await close(hub)
    expect((await verify(first)).log.keys).toHaveLength(2)
  })

  it('ends by itself when its overlap is over', async () => {
    const hub = await open()
    const { to } = await ask(hub, 'keys.rotate', { overlapHours: 1 })
    await close(hub)
    const later = systemEnv()
    const next = await open({ env: { ...later, now: () => later.now() + 2 * 3_600_000 } })
    await eventually(() => existsSync(`${paths().signingKey}.next`)).toBe(false)
    await put(next, 'a')
    await eventually(() => lines(next)).toBe(6)
    expect(signers(next, to as string)).toBe(1)
  })

  it('away from a key that was stolen ends it at once, and says so for ever', async () => {
    const hub = await open()
    const first = hub.log.vkey
    const { to } = await ask(hub, 'keys.rotate', { reason: 'compromised' })
    await eventually(() => existsSync(`${paths().signingKey}.next`)).toBe(false)
    await put(hub, 'a')
    await eventually(() => lines(hub)).toBe(6)
    expect(signers(hub, to as string)).toBe(1)
    await close(hub)
    expect((await verify(first)).log.keys).toEqual([
      expect.objectContaining({ vkey: first, reason: 'compromised', until: expect.any(Number) }),
      expect.objectContaining({ vkey: to }),
    ])
  })

  it('is the business of owners', async () => {
    const hub = await open()
    const caller = { chain: [{ kind: 'agent', id: 'a', roles: [] }] } as const
    expect(await hub.invoke(caller, 'keys.rotate', {})).toMatchObject({ status: 'denied' })
    expect(existsSync(`${paths().signingKey}.next`)).toBe(false)
  })

  it('is impossible with the key of another log, or without the one that the log names', async () => {
    const hub = await open()
    await ask(hub, 'keys.rotate', { overlapHours: 0 })
    await eventually(() => existsSync(`${paths().signingKey}.next`)).toBe(false)
    await close(hub)
    rmSync(paths().signingKey)
    await expect(open()).rejects.toMatchObject({ code: 'signer.failed' })
    writeKeyFile(paths().signingKey)
    await expect(open()).rejects.toMatchObject({ code: 'anchor.corrupt' })
  })

  it('asked for twice at once happens once', async () => {
    const hub = await open()
    const asked = await Promise.allSettled([ask(hub, 'keys.rotate'), ask(hub, 'keys.rotate')])
    expect(asked.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const put = { namespace: 'n', key: 'after', value: 1 }
    await hub.invoke(hub.owner, 'state.put', put, { until: 'signed' })
    expect((await hub.log.read({ limit: 100, type: 'log.key-rotated@1' })).entries).toHaveLength(1)
  })
})

describe('a head signed by a key that was given up', () => {
  it("is refused, although that key once was the log's", async () => {
    const hub = await open()
    const first = readFileSync(paths().signingKey)
    await ask(hub, 'keys.rotate', { overlapHours: 0 })
    await eventually(() => existsSync(`${paths().signingKey}.next`)).toBe(false)
    await put(hub, 'a')
    const { checkpoint } = hub.log.head()
    const { origin: name } = hub.log
    await close(hub)
    const [text = ''] = checkpoint.split('\n\n')
    const old = keySigner(name, createPrivateKey(first))
    const forged = signNote(`${text}\n`, old.key, old.sign)
    rmSync(anchorPath())
    writeFileSync(paths().checkpoint, forged)
    await expect(verify(formatVkey(old.key))).rejects.toMatchObject({ facts: { reason: 'key-chain' } })
    await expect(verify()).rejects.toMatchObject({ facts: { reason: 'key-chain' } })
  })
})

describe('the ML-DSA-44 cosigner of a hub', () => {
  it('is named by the log once, and cosigns what is retained', async () => {
    for (let n = 0; n < 2; n++) {
      const hub = await open({ isMlDsa: true })
      await put(hub, `k${n}`)
      await close(hub)
    }
    expect(statSync(paths().mlDsaKey).mode & 0o777).toBe(0o600)
    const { log } = await verify()
    expect(log.retained).toEqual({ checkpoints: 2, cosigned: 2, timestamps: 0 })
    const hub = await open()
    const named = (await hub.log.read({ limit: 9, type: 'log.cosigner-named@1' })).entries
    expect(named).toHaveLength(1)
    expect((await hub.ask(hub.owner, 'keys.list', {})).output).toMatchObject({
      items: [{ state: 'current' }, { state: 'cosigner', vkey: expect.stringContaining('/ml-dsa-44+') }],
    })
  })

  it('is not one whose cosignature was changed', async () => {
    const hub = await open({ isMlDsa: true })
    await put(hub, 'k')
    await close(hub)
    const db = new DatabaseSync(paths().database)
    const [row] = db.prepare("SELECT value FROM row WHERE tbl = 'log.checkpoints'").all() as {
      value: string
    }[]
    const { note, ...rest } = JSON.parse(row?.value ?? '')
    const changed = note.replace(
      /(ml-dsa-44 .{40})(.)/,
      (_: string, head: string, at: string) => head + (at === 'A' ? 'B' : 'A'),
    )
    db.prepare("UPDATE row SET value = ? WHERE tbl = 'log.checkpoints'").run(
      JSON.stringify({ note: changed, ...rest }),
    )
    db.close()
    breakSeal(paths().database)
    await expect(verify()).rejects.toMatchObject({ facts: { reason: 'checkpoint' } })
  })
})
