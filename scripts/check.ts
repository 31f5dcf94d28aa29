// Checks the house without running it: types, lint, floors and dead code, two steps at a time.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

interface Step {
  readonly name: string
  readonly tool: string
  readonly args: readonly string[]
}

interface Outcome {
  readonly isPassed: boolean
  readonly output: string
  readonly durationMs: number
}

const HOUSE = join(import.meta.dirname, '..')
const PARALLEL_STEPS = 2
const STEP_TIMEOUT_MS = 300_000
const ROOMS = ['src', 'web', 'bench', 'scripts', 'test', 'sdk']

const STEPS: readonly Step[] = [
  { name: 'types', tool: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  ...(existsSync('web/tsconfig.json')
    ? [{ name: 'web-types', tool: 'tsc', args: ['--noEmit', '-p', 'web/tsconfig.json'] }]
    : []),
  {
    name: 'floors',
    tool: 'depcruise',
    args: ['--config', join(HOUSE, '.dependency-cruiser.mjs'), ...ROOMS.filter((room) => existsSync(room))],
  },
  { name: 'dead-code', tool: 'knip', args: [] },
  { name: 'lint', tool: 'biome', args: ['check', '--error-on-warnings'] },
]

process.exitCode = (await check(process.argv.slice(2))) ? 0 : 1

/** Runs the named steps, or all; the working directory is the tree that is checked. */
async function check(names: readonly string[]): Promise<boolean> {
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name))
  if (unknown.length > 0) {
    console.error(
      `unknown step ${unknown.join(', ')}; there are ${STEPS.map((step) => step.name).join(', ')}`,
    )
    return false
  }
  const waiting = STEPS.filter((step) => names.length === 0 || names.includes(step.name))
  const verdicts: boolean[] = []
  const drain = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const outcome = await run(step)
      report(step, outcome)
      verdicts.push(outcome.isPassed)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_STEPS }, drain))
  return verdicts.every((isPassed) => isPassed)
}

function run({ tool, args }: Step): Promise<Outcome> {
  const startMs = performance.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(HOUSE, 'node_modules', '.bin', tool), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: STEP_TIMEOUT_MS,
    })
    const chunks: Buffer[] = []
    const finish = (isPassed: boolean) =>
      resolve({ isPassed, output: Buffer.concat(chunks).toString(), durationMs: performance.now() - startMs })
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => {
      chunks.push(Buffer.from(`${error.message}\n`))
      finish(false)
    })
    child.on('close', (code, signal) => {
      if (signal !== null) chunks.push(Buffer.from(`${tool} was stopped by ${signal}\n`))
      finish(code === 0)
    })
  })
}

function report({ name }: Step, { isPassed, output, durationMs }: Outcome): void {
  const seconds = (durationMs / 1000).toFixed(1).padStart(5)
  console.log(`check ${name.padEnd(10)} ${isPassed ? 'ok    ' : 'FAILED'} ${seconds} s`)
  if (!isPassed) console.log(output.trimEnd())
}
