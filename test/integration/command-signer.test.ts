// A signer command is a program of the operator's: everything it can do wrong is found before a signature is used.

import { Buffer } from 'node:buffer'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openHub } from '../../src/hub.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { commandSigner } from '../../src/kernel/log/command-signer.ts'
import type { Signer } from '../../src/kernel/log/signer.ts'
import { formatVkey, openNote, parseVkey, rawOfEd25519 } from '../../src/kit/signed-note.ts'
import { state } from '../../src/modules/state/module.ts'

/** A machine that is busy with other things takes its time. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 })

const NAME = 'command.example/log'
const PROGRAM = fileURLToPath(new URL('./signer-program.ts', import.meta.url))
const TEXT = Buffer.from('a text to be signed\n')

let dir = ''
const open: Signer[] = []
const { privateKey } = generateKeyPairSync('ed25519')
const publicKey = Buffer.from(rawOfEd25519(privateKey)).toString('base64')
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'polity-signer-'))
  writeFileSync(join(dir, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
})
afterEach(async () => {
  for (const each of open.splice(0)) await each.close?.()
  rmSync(dir, { recursive: true, force: true })
})

const command = (manner: string) => [process.execPath, PROGRAM, manner, join(dir, 'key'), join(dir, 'trace')]
function signer(manner: string, timeoutMs = 10_000): Signer {
  const made = commandSigner(NAME, { command: command(manner), publicKey }, timeoutMs)
  open.push(made)
  return made
}
const starts = () => readFileSync(join(dir, 'trace'), 'utf8').split('\n').length - 1
const isGood = (signature: Uint8Array, bytes: Uint8Array = TEXT) =>
  verify(null, bytes, createPublicKey(privateKey), signature)
const failed = expect.objectContaining({ code: 'signer.failed' })

describe('a signer command', () => {
  it('is started once and signs in order, whatever the bytes are', async () => {
    const made = signer('honest')
    const texts = [TEXT, Buffer.alloc(0), Buffer.from([0, 10, 13, 255]), Buffer.alloc(50_000, 7)]
    const signatures = await Promise.all(texts.map((text) => made.sign(text)))
    signatures.forEach((signature, n) => {
      expect(isGood(signature, texts[n])).toBe(true)
    })
    expect(starts()).toBe(1)
  })

  it('is started again when it has ended', async () => {
    const made = signer('dies-after-one')
    expect(isGood(await made.sign(TEXT))).toBe(true)
    await expect(made.sign(TEXT)).rejects.toThrow(failed)
    expect(isGood(await made.sign(TEXT))).toBe(true)
    expect(starts()).toBe(2)
  })

  it.each(['wrong', 'garbage', 'endless'])('is not believed when it answers %s', async (manner) => {
    await expect(signer(manner).sign(TEXT)).rejects.toThrow(failed)
  })

  it('is ended when it says more than it was asked, before that passes for the next answer', async () => {
    const made = signer('twice')
    for (let n = 0; n < 3; n++) {
      const text = Buffer.from(`text ${n}\n`)
      expect(isGood(await made.sign(text), text)).toBe(true)
    }
    expect(starts()).toBe(3)
  })

  it('is not waited for for ever', async () => {
    await expect(signer('silent', 50).sign(TEXT)).rejects.toThrow(/did not answer within 50 ms/)
  })

  it('that does not exist is named', async () => {
    const missing = commandSigner(NAME, { command: [join(dir, 'missing')], publicKey })
    open.push(missing)
    await expect(missing.sign(TEXT)).rejects.toThrow(/does not start/)
  })

  it.each(['', 'AAAA', 'log+00000000+AA==', `other.example+00000000+${publicKey}`])(
    'is refused with the public key %j',
    (wrong) => {
      expect(() => commandSigner(NAME, { command: command('honest'), publicKey: wrong })).toThrow(failed)
    },
  )

  it('may be named by a verifier key', () => {
    const vkey = formatVkey(signer('honest').key)
    expect(commandSigner(NAME, { command: command('honest'), publicKey: vkey }).key).toEqual(parseVkey(vkey))
  })
})

describe('the program in docs/keys.md', () => {
  it('is one that works', async () => {
    const guide = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
    const [, program = ''] = /```js\n([\s\S]*?)```/.exec(guide) ?? []
    const path = join(dir, 'sign-log.mjs')
    writeFileSync(path, program)
    const made = commandSigner(NAME, { command: [process.execPath, path, join(dir, 'key')], publicKey })
    open.push(made)
    for (const text of [TEXT, Buffer.alloc(1000, 1)]) expect(isGood(await made.sign(text), text)).toBe(true)
  })
})

describe('a hub whose key is held by a program', () => {
  it('signs with it from the first entry on, and keeps no key of its own', async () => {
    const data = join(dir, 'data')
    const options = {
      dir: data,
      anchorPath: join(dir, 'anchor'),
      modules: [state],
      signer: { command: command('honest'), publicKey },
      onFailure: (error: PolityError) => expect.unreachable(error.message),
    }
    for (const key of ['a', 'b']) {
      const hub = await openHub(options)
      await hub.invoke(hub.owner, 'state.put', { namespace: 'n', key, value: 1 })
      const { checkpoint } = hub.log.head()
      expect(openNote(checkpoint, [parseVkey(hub.log.vkey)]).verified).toHaveLength(1)
      expect(Buffer.from(parseVkey(hub.log.vkey).publicKey).toString('base64')).toBe(publicKey)
      await hub.close()
    }
    expect(() => readFileSync(join(data, 'log.key'))).toThrow(/ENOENT/)
    const { signer: _, ...without } = options
    await expect(openHub(without)).rejects.toMatchObject({ code: 'signer.failed' })
  })

  it('commits while the program is away, publishes nothing, says so, and catches up', async () => {
    const failures: string[] = []
    const hub = await openHub({
      dir: join(dir, 'data'),
      anchorPath: join(dir, 'anchor'),
      modules: [state],
      signer: { command: command('honest'), publicKey },
      publishIntervalMs: 0,
      onFailure: (error) => failures.push(error.code),
    })
    const before = hub.log.head().size
    // The program reads its key when it starts, so without the file it cannot start again.
    const pem = readFileSync(join(dir, 'key'))
    rmSync(join(dir, 'key'))
    const [pid = ''] = /started (\d+)/.exec(readFileSync(join(dir, 'trace'), 'utf8'))?.slice(1) ?? []
    process.kill(Number(pid), 'SIGKILL')
    await hub.invoke(hub.owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    await eventually(() => failures).toContain('signer.failed')
    expect(hub.log.head().size).toBe(before)
    writeFileSync(join(dir, 'key'), pem)
    await eventually(() => hub.log.head().size).toBeGreaterThan(before)
    await hub.close()
  })
})
