// What a hub knows of its witnesses when it starts again, and what they tell it about itself: copies that went back, and copies that went on.

import { cpSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../src/kit/checkpoint.ts'
import { addSignatures } from '../../src/kit/cosignature.ts'
import { parseNote } from '../../src/kit/signed-note.ts'
import { errorOf, tempFolder } from './lab/hubs.ts'
import { alertOf, openLog, put, setPolicy, standIn, statusOf } from './lab/witnesses.ts'

describe('after a restart', () => {
  it('what was witnessed is known before any witness answers', async () => {
    const { dir, anchorPath } = tempFolder()
    const witness = await standIn()
    const hub = await openLog({ dir, anchorPath })
    await setPolicy(hub, [witness])
    await put(hub, { until: 'cosigned' })
    await hub.close()
    const before = hub.log.witnessed.current()
    witness.do(({ response }) => void response.writeHead(503).end())
    const again = await openLog({ dir, anchorPath })
    expect(again.log.witnessed.current()).toEqual(before)
  })

  it('a copy of DATA and anchor that is older than what a witness has seen is refused', async () => {
    const { root, dir, anchorPath } = tempFolder()
    const witness = await standIn()
    const hub = await openLog({ dir, anchorPath })
    await setPolicy(hub, [witness])
    await put(hub, { until: 'cosigned' })
    await hub.close()
    cpSync(dir, join(root, 'copy'), { recursive: true })
    cpSync(anchorPath, join(root, 'anchor copy'), { recursive: true })
    const more = await openLog({ dir, anchorPath })
    await put(more, { until: 'cosigned', waitMs: 60_000 })
    const size = more.log.witnessed.current()?.size
    await more.close()

    rmSync(dir, { recursive: true })
    cpSync(join(root, 'copy'), dir, { recursive: true })
    cpSync(join(root, 'anchor copy'), anchorPath, { recursive: true })
    const error = await errorOf(openLog({ dir, anchorPath }))
    expect(error).toMatchObject({
      code: 'log.rollback',
      facts: { witness: 'witness.example/stand-in', size },
    })
    // An outsider can judge it: the evidence is signed by our own key.
    const [note] = error.facts.evidence as readonly string[]
    expect(parseCheckpoint(parseNote(note ?? '').text).size).toBe(size)
    await witness.close()
    // Who cannot be asked refuses nobody.
    const told: string[] = []
    const unasked = await openLog({ dir, anchorPath, onFailure: ({ code }) => told.push(code) })
    expect(told).toContain('peer.unreachable')
    expect(await statusOf(unasked)).toMatchObject({ quorum: 'w0' })
  })

  it('another history that our own key signed is an alert with both notes', async () => {
    const { root, dir, anchorPath } = tempFolder()
    const witness = await standIn()
    const hub = await openLog({ dir, anchorPath })
    await setPolicy(hub, [witness])
    await hub.close()
    cpSync(dir, join(root, 'twin'), { recursive: true })
    // The twin writes another history, and gets it cosigned first.
    const twin = await openLog({ dir: join(root, 'twin'), anchorPath: join(root, 'twin anchor') })
    await put(twin, { until: 'cosigned', waitMs: 60_000 })
    await twin.close()
    witness.do(({ response }) => void response.writeHead(422).end())
    const note = witness.shown.get(hub.log.origin) ?? ''
    witness.shown.delete(hub.log.origin)
    const again = await openLog({ dir, anchorPath })
    for (let n = 0; n < 5; n++) await put(again)
    await again.close()
    witness.shown.set(hub.log.origin, note)
    const last = await openLog({ dir, anchorPath })
    const { data } = await alertOf(last, 'fork')
    const [shown] = (data as { evidence: readonly string[] }).evidence
    expect(parseNote(shown ?? '').text).toBe(parseNote(note).text)
  })
})

describe('the key with which a hub cosigns', () => {
  it('is its own, readable by its owner only, and told about when it had to be replaced', async () => {
    const { dir, anchorPath } = tempFolder()
    const hub = await openLog({ dir, anchorPath })
    const { vkey } = hub.witness
    await hub.close()
    expect(statSync(join(dir, 'witness.key')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(dir, 'witness.vkey'), 'utf8')).toBe(`${vkey}\n`)
    const again = await openLog({ dir, anchorPath })
    expect(again.witness.vkey).toBe(vkey)
    await again.close()
    rmSync(join(dir, 'witness.key'))
    const told: string[] = []
    const replaced = await openLog({ dir, anchorPath, onFailure: ({ code }) => told.push(code) })
    expect(told).toEqual(['signer.failed'])
    expect(replaced.witness.vkey).not.toBe(vkey)
  })
})

describe('a witness that cosigned a fork of us', () => {
  it('is told apart from one that lies, by our signature on what it shows', async () => {
    const { root, dir, anchorPath } = tempFolder()
    const witness = await standIn()
    const hub = await openLog({ dir, anchorPath })
    await setPolicy(hub, [witness])
    await put(hub, { until: 'cosigned' })
    const twinDir = join(root, 'twin')
    await hub.close()
    cpSync(dir, twinDir, { recursive: true })
    const twin = await openLog({ dir: twinDir, anchorPath: join(root, 'twin anchor') })
    const again = await openLog({ dir, anchorPath })
    // The twin is far ahead, so the witness has seen more of this log than this hub has published.
    for (let n = 0; n < 20; n++) await put(twin)
    await put(twin, { until: 'cosigned', waitMs: 60_000 })
    await put(again)
    const { data } = await alertOf(again, 'witness-ahead')
    expect(data).toMatchObject({ log: hub.log.origin, witness: 'witness.example/stand-in' })
    expect(addSignatures(witness.shown.get(hub.log.origin) ?? '', [])).toContain(
      parseNote((data as { evidence: readonly string[] }).evidence[0] ?? '').text,
    )
  })
})
