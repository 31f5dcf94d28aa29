// No analysis makes a network call, whatever remotes a repository names and however much of it lies there.

import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openWorkshop, type Workshop } from './mirror-fixture.ts'

const CHILD = fileURLToPath(new URL('./mirror-network.child.ts', import.meta.url))
/** Nobody listens there, but the call would be seen. */
const REMOTE = 'http://127.0.0.1:9/remote.git'
const TRACER = 'strace'
const canTrace = spawnSync(TRACER, ['-f', '-o', '/dev/null', 'true']).status === 0
if (!canTrace) console.warn('SKIPPED: network calls are read off system calls, and strace cannot trace here')

let shop: Workshop
beforeAll(() => {
  shop = openWorkshop()
})
afterAll(() => shop.remove())

/** Calls of the command, and of all that it starts, which name an address of the Internet. */
function calls(command: string, ...args: string[]): { readonly stdout: string; readonly lines: string[] } {
  const trace = join(shop.dir, 'trace')
  const { stdout } = spawnSync(TRACER, ['-f', '-e', 'trace=network', '-o', trace, command, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  const text = readFileSync(trace, 'utf8')
  expect(text).toContain('+++ exited with')
  return { stdout, lines: text.split('\n').filter((line) => /\bAF_INET6?\b/.test(line)) }
}

/** A repository with two commits, a submodule and a remote. */
function connected(name: string): string {
  const path = shop.init(name)
  const commit = shop.commit(path, { 'a.js': 'let a\n' })
  shop.commit(path, {
    'a.js': 'let a = 1\n',
    '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ${REMOTE}\n`,
  })
  shop.git(path, 'update-index', '--add', '--cacheinfo', `160000,${commit},m`)
  shop.git(path, 'commit', '--quiet', '--message=module')
  shop.git(path, 'config', 'submodule.m.url', REMOTE)
  shop.git(path, 'remote', 'add', 'origin', REMOTE)
  shop.git(path, 'config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*')
  return path
}

/** It says that what is missing can be had from the remote. */
function promised(name: string): string {
  const path = connected(name)
  const blob = shop.git(path, 'rev-parse', 'HEAD:a.js')
  rmSync(join(path, '.git', 'objects', blob.slice(0, 2), blob.slice(2)))
  appendFileSync(
    join(path, '.git', 'config'),
    '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n[remote "origin"]\n\tpromisor = true\n\tpartialclonefilter = blob:none\n',
  )
  return path
}

it.skipIf(!canTrace)(
  'nobody is called: remotes, submodules and promised objects are left alone',
  () => {
    const source = connected('source')
    shop.git(source, 'config', 'uploadpack.allowFilter', 'true')
    shop.git(shop.dir, 'clone', '--quiet', '--bare', '--filter=blob:none', `file://${source}`, 'clone.git')
    shop.git(join(shop.dir, 'clone.git'), 'remote', 'set-url', 'origin', REMOTE)
    const promisor = promised('promised')
    // What is looked for can be seen: a git that may fetch does call.
    expect(calls('git', '-C', promisor, 'cat-file', '-p', 'HEAD:a.js').lines.join()).toContain('connect')

    const paths = [source, promisor, join(shop.dir, 'clone.git')]
    const { stdout, lines } = calls(process.execPath, CHILD, shop.cacheDir, ...paths)
    expect(JSON.parse(stdout)).toEqual(['complete, 0 missing', 'partial, 1 missing', 'partial, 2 missing'])
    expect(lines).toEqual([])
  },
  60_000,
)
