// Turns src/ into dist/, and sdk/ into dist/sdk/, before packing, because Node refuses TypeScript under node_modules.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const HOUSE = join(import.meta.dirname, '..')
const SRC = join(HOUSE, 'src')
const DIST = join(HOUSE, 'dist')

/** A string literal that holds a relative path to a TypeScript file: './worker.ts'. */
const TYPESCRIPT_PATH = /(['"`])(\.{1,2}\/[^'"`\n]*)\.ts\1/g

rmSync(DIST, { recursive: true, force: true })
compile()
copyAssets()
redirectPaths()

function compile(): void {
  const tsc = join(HOUSE, 'node_modules', '.bin', 'tsc')
  const projects = ['tsconfig.build.json', ...(existsSync(join(HOUSE, 'sdk')) ? ['tsconfig.sdk.json'] : [])]
  for (const project of projects) {
    const { status } = spawnSync(process.execPath, [tsc, '-p', project], { cwd: HOUSE, stdio: 'inherit' })
    if (status !== 0) process.exit(1)
  }
}

/** Everything in src/ that is not TypeScript (policies, schemas, pages) keeps its place beside the code. */
function copyAssets(): void {
  const isAsset = (path: string) => !path.endsWith('.ts') && !path.split('/').includes('fixtures')
  const files = globSync('**/*', { cwd: SRC, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const file of files) {
    const from = join(file.parentPath, file.name)
    if (isAsset(from)) cpSync(from, join(DIST, from.slice(SRC.length)))
  }
}

/**
 * tsc rewrites the paths of imports only; the ones in new URL('./worker.ts', import.meta.url) and
 * import.meta.resolve are plain strings to it and are pointed at the emitted file here.
 */
function redirectPaths(): void {
  for (const name of globSync('**/*.js', { cwd: DIST })) {
    const file = join(DIST, name)
    const text = readFileSync(file, 'utf8')
    const redirected = text.replace(TYPESCRIPT_PATH, (literal, quote: string, path: string) => {
      const isEmitted = existsSync(resolve(dirname(file), `${path}.js`))
      return isEmitted ? `${quote}${path}.js${quote}` : literal
    })
    if (redirected !== text) writeFileSync(file, redirected)
  }
}
