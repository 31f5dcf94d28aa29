// `scripts/node scripts/fixture-log.ts`: makes the fixture log of this release, which every later one must read.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadContracts } from '../src/doors/cli/contracts.ts'
import { type Hub, openHub } from '../src/hub.ts'
import { rebuildViews } from '../src/kernel/audit/rebuild.ts'
import { systemEnv } from '../src/kernel/env.ts'
import { viewsOfContracts } from '../src/kernel/log/upcast.ts'
import { writeBackup } from '../src/kernel/transfer/backup.ts'
import { openDataFolder } from '../src/kernel/transfer/data-source.ts'
import { attest } from '../src/modules/attest/module.ts'
import { mirror } from '../src/modules/mirror/module.ts'
import { state } from '../src/modules/state/module.ts'
import { RELEASE } from '../src/release.ts'

const NAMESPACE = 'fixture'
/** Why secrets lie in the open here. */
const README = `# The log of release ${RELEASE}

\`backup/\` is what \`polity backup --with-keys\` of that release wrote, and \`expected.json\` what its hub answered then.
Every later release must restore it, verify it, fold the same views and go on with it:
\`test/integration/release-fixtures.test.ts\`. It was made once by \`scripts/fixture-log.ts\` and is never made again.

The keys in \`backup/keys\` are public on purpose. They sign and open nothing but this example.
`

const target = join(import.meta.dirname, '../test/fixtures/releases', RELEASE)
if (existsSync(target)) throw new Error(`${target} is there already: a released log is never made again`)

const root = mkdtempSync(join(tmpdir(), 'polity-fixture-'))
try {
  const place = { dir: join(root, 'data'), anchorPath: join(root, 'anchor') }
  const hub = await openHub({ ...place, modules: [state, mirror, attest] })
  const documents = await live(hub, repository(join(root, 'repository'))).finally(() => hub.close())
  mkdirSync(target, { recursive: true })
  writeFileSync(join(target, 'README.md'), README)
  const expected = { documents, ...(await backUp(place)) }
  writeFileSync(join(target, 'expected.json'), `${JSON.stringify(expected, null, 2)}\n`)
} finally {
  rmSync(root, { recursive: true, force: true })
}

/** One of everything: documents, private and erased; a token that was revoked; a denial; a run; an attestation. */
async function live(hub: Hub, path: string): Promise<unknown> {
  const owner = await hub.identity.byToken(hub.ownerToken)
  const put = (key: string, value: unknown) =>
    hub.invoke(owner, 'state.put', { namespace: NAMESPACE, key, value })
  await put('plan', { title: 'Gärten für alle', budget: 12 })
  await put('plan', { title: 'Gärten für alle', budget: 13 })
  await put('erased', 'this must never be read again')
  await hub.invoke(owner, 'vault.erase', { subject: `state/${NAMESPACE}/erased` })
  await put('again', 'before the erasure')
  await hub.invoke(owner, 'vault.erase', { subject: `state/${NAMESPACE}/again` })
  await put('again', 'after the erasure')
  const issued = await hub.invoke(owner, 'token.create', { kind: 'agent', id: 'helper' })
  const { id } = (issued as unknown as { readonly output: { readonly id: string } }).output
  await hub.invoke({ chain: [{ kind: 'agent', id: 'helper', roles: [] }] }, 'vault.erase', {
    subject: 'nobody',
  })
  await hub.invoke(owner, 'token.revoke', { id })
  await hub.invoke(owner, 'mirror.analyze', { paths: [path] })
  await hub.invoke(owner, 'attest.sign', {
    predicateType: 'https://example.org/seen/v1',
    subjects: [{ name: 'a.txt', digest: { sha256: '0'.repeat(64) } }],
    predicate: { seen: true },
  })
  return (await hub.ask(owner, 'state.list', { namespace: NAMESPACE })).output
}

function repository(path: string): string {
  mkdirSync(path)
  writeFileSync(join(path, 'README.md'), '# A repository\n')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd: path })
  git('init', '--quiet')
  git('add', '--all')
  git('commit', '--quiet', '--message=first')
  return path
}

async function backUp({ dir, anchorPath }: { readonly dir: string; readonly anchorPath: string }) {
  const source = await openDataFolder({ dir }, anchorPath)
  try {
    if (source.head === undefined) throw new Error('the hub has signed nothing')
    const { size } = await writeBackup(source.reader, source.head, join(target, 'backup'), {
      vkey: source.vkey,
      env: systemEnv(),
      release: RELEASE,
      dataDir: dir,
      isWithKeys: true,
    })
    const rebuilt = await rebuildViews(source.reader, viewsOfContracts(await loadContracts()))
    const views = Object.fromEntries(
      rebuilt.flatMap(({ view, digest, rows }) => (rows === 0 ? [] : [[view, digest]])),
    )
    return { size, views }
  } finally {
    await source.close()
  }
}
