// No plaintext on disk: tokens, sign-in codes, sessions and private values are looked for in every byte of DATA.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { attest } from '../../src/modules/attest/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

/** Files under `dir` that hold the text in any of the encodings in which it could have been written. */
function filesWith(dir: string, text: string): string[] {
  const bytes = Buffer.from(text)
  const forms = [
    bytes,
    Buffer.from(bytes.toString('hex')),
    Buffer.from(bytes.toString('base64').slice(0, -4)),
  ]
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name)
    return statSync(path).isFile() && forms.some((form) => readFileSync(path).includes(form))
  })
}

it('keeps secrets only as hashes and private values only encrypted', async () => {
  const { dir, anchorPath } = tempFolder()
  const PRIVATE = 'private-value-7d1e0b'
  // In the middle of a run its journal holds the private result of a step.
  const found: string[][] = []
  const work = lab({ onBody: (_run, step) => step === 'step 1' && found.push(filesWith(dir, PRIVATE)) })
  const hub = await openTestHub('sqlite', { modules: [work, state, attest], dir, anchorPath })
  const invoke = async (name: string, input: object, key: string) => {
    const answer = await hub.invoke(owner, name, input, { key })
    if (answer.status !== 'done') throw new Error(answer.status)
    return answer.output as Record<string, string>
  }
  const put = { namespace: 'n', key: 'k', value: { deep: [PRIVATE] } }
  await invoke('state.put', put, `key-of-${PRIVATE}`)
  await invoke('lab.keep', { secret: `${PRIVATE}-kept` }, 'keep')
  await invoke('lab.work', { steps: 2, secret: `${PRIVATE}-work` }, 'work')
  expect(found).toEqual([[]])
  const { token = '' } = await invoke('token.create', { kind: 'user', id: 'ann' }, 'token')
  const { code = '' } = await invoke('identity.sign-in-link', {}, 'link')
  const session = await hub.identity.signIn(code)
  await settle(hub)

  const secrets = [PRIVATE, token.slice(21), code, code.split('.')[1] ?? '', session.secret]
  for (const secret of secrets) expect(secret.length).toBeGreaterThan(15)
  for (const secret of secrets) expect(filesWith(dir, secret)).toEqual([])
  expect(filesWith(dir, hub.ownerToken.slice(21))).toEqual(['admin.token'])
  // What is looked for would be found: a public text is.
  expect(filesWith(dir, 'state.document-written@1')).not.toEqual([])
  expect(JSON.stringify(await entriesOf(hub))).not.toContain(PRIVATE)

  await hub.close()
  for (const secret of secrets) expect(filesWith(dir, secret)).toEqual([])
})

it('leaves nothing to decrypt once a subject is erased', async () => {
  const { dir, anchorPath } = tempFolder()
  const hub = await openTestHub('sqlite', { modules: [state], dir, anchorPath })
  await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 'gone' })
  await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k2', value: 'stays' })
  const proof = await hub.log.prove(await sizeBefore(hub))
  await hub.invoke(owner, 'vault.erase', { subject: 'state/n/k' })
  const read = async (key: string) => (await hub.ask(owner, 'state.get', { namespace: 'n', key })).output
  expect(await read('k')).toMatchObject({ version: 1, value: { $erased: expect.any(String) } })
  expect(await read('k2')).toMatchObject({ value: 'stays' })
  // A new value under the old name is a new secret; the old one stays gone.
  await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 'new' })
  expect(await read('k')).toMatchObject({ version: 2, value: 'new' })
  expect(proof).toContain('c2sp.org/tlog-proof@')
})

const sizeBefore = async (hub: Awaited<ReturnType<typeof openTestHub>>): Promise<number> =>
  (await settle(hub)) - 1
