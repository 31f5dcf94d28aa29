import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { leafHash } from '../../kit/merkle.ts'
import { openNote, parseVkey } from '../../kit/signed-note.ts'
import { decodeEntries } from '../../kit/tlog-tiles.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'

describe('the files of the log', () => {
  it('are a checkpoint under the published key, and the hashes and entries that it covers', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k')
    const { text: vkey } = await served.anyone('/log/vkey')
    const { text: note, headers } = await served.anyone('/log/checkpoint')
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-cache',
    })
    const { text, verified } = openNote(note, [parseVkey(vkey.trim())])
    const { size } = parseCheckpoint(text)
    expect(verified).toHaveLength(1)

    const hashes = (await served.anyone(`/log/tile/0/000.p/${size}`)).bytes
    const bundle = await served.owner(`/log/tile/entries/000.p/${size}`)
    expect(bundle.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'private, max-age=60',
    })
    expect(Buffer.concat(decodeEntries(bundle.bytes).map((leaf) => leafHash(leaf)))).toEqual(hashes)
  })

  it('are for ever once a tile is full', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (let n = 0; n < 90; n++) await served.put(`k${n}`)
    for (const [path, client, scope] of [
      ['/log/tile/0/000', served.anyone, 'public'],
      ['/log/tile/entries/000', served.owner, 'private'],
    ] as const) {
      const { status, headers } = await client(path)
      expect([status, headers['cache-control']]).toEqual([200, `${scope}, max-age=31536000, immutable`])
    }
    expect((await served.anyone('/log/tile/1/000.p/1')).bytes).toHaveLength(32)
  })

  it('are found at their own paths only', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const elsewhere = [
      '0/000',
      '0/000.p/250',
      '0/001.p/1',
      '1/000.p/1',
      '63/x999/x999/x999/999',
      '0/000.p/0',
      '0/000.p/256',
      '0/000.p/01',
      '0/0',
      '00/000.p/1',
      '0/x000/000.p/1',
      '64/000.p/1',
      '-1/000',
      '0/..',
      '0/../../checkpoint',
      '0/%2e%2e/%2e%2e/checkpoint',
      '0/000.p/1/',
      '0//000.p/1',
      '',
    ]
    for (const path of elsewhere) {
      const { status, text } = await served.anyone(`/log/tile/${path}`)
      expect([path, status]).toEqual([path, 404])
      expect(text).not.toContain('polity.invalid')
    }
  })

  it('hold nothing of entries for strangers, unless the log is public', async () => {
    await using closed = await serve(await openHub({ modules: [state] }))
    for (const path of ['entries/000.p/1', '%65ntries/000.p/1', 'entries%2f000.p/1'])
      expect([401, 404]).toContain((await closed.anyone(`/log/tile/${path}`)).status)
    await using open = await serve(await openHub({ modules: [state] }), { isLogPublic: true })
    expect((await open.anyone('/log/tile/entries/000.p/1')).headers['cache-control']).toBe(
      'public, max-age=60',
    )
    expect((await open.anyone('/log/proof/0')).text).toContain('c2sp.org/tlog-proof')
    expect((await open.anyone('/v1/log/entries')).status).toBe(401)
  })

  it('are the checkpoints that were retained, for everybody', async () => {
    const hub = await openHub({ modules: [state] })
    await using served = await serve(hub)
    const { items: none } = (await served.owner('/v1/log/checkpoints')).json as { items: unknown[] }
    expect(none).toEqual([])
    // Entries of one invocation are few, so a run of large batches stands in for a busy day.
    while (hub.log.head().size < 1100) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => served.put(`k${hub.log.head().size}-${n}`)))
      await hub.log.published(hub.log.head().size)
    }
    const listed = async () =>
      ((await served.owner('/v1/log/checkpoints')).json as { items: { size: number; note: string }[] }).items
    await expect.poll(async () => (await listed()).length).toBe(1)
    const [{ size, note } = { size: 0, note: '' }] = await listed()
    expect(size).toBeGreaterThanOrEqual(1024)
    expect((await served.anyone(`/log/checkpoint/${size}`)).text).toBe(note)
    const { text } = openNote(note, [parseVkey((await served.anyone('/log/vkey')).text.trim())])
    expect(parseCheckpoint(text).size).toBe(size)
    expect((await served.anyone('/log/checkpoint/1023')).json).toMatchObject({ code: 'not-found' })
    for (const wrong of ['-1', '1.5', '01', 'x', '0x10', '99999999999999999999'])
      expect((await served.anyone(`/log/checkpoint/${wrong}`)).json).toMatchObject({ code: 'input.invalid' })
  }, 60_000)

  it('are proofs for the entries that exist', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner('/log/proof/0')).text).toContain('index 0')
    expect((await served.owner('/log/proof/999')).json).toMatchObject({ code: 'not-found' })
    for (const seq of ['-1', '1.5', '01', 'x', '1e1', '99999999999999999999'])
      expect((await served.owner(`/log/proof/${seq}`)).json).toMatchObject({ code: 'input.invalid' })
  })
})
