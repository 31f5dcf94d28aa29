// A hub whose new rules wait for a second owner, who may answer, and which kills itself meanwhile: the victim of a fault test.

import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { openHub } from '../../src/hub.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { person, vote } from '../integration/lab/approvals.ts'
import { trialRules } from './rules-waiting.fixture.ts'

/** It dies when so many ids were given since it did what it is there for, or when nothing more comes of that. */
const [root = '', task = 'ask', killAt = '0'] = process.argv.slice(2)
const TRIES_MAX = 400
const real = systemEnv()
let left = Number.POSITIVE_INFINITY
const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('it is still there')
}
const env = {
  ...real,
  id() {
    left -= 1
    if (left === 0) die()
    return real.id()
  },
}

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [],
  publishIntervalMs: 1,
  env,
  onFailure: (error) => process.stderr.write(`${error.message}\n`),
})

interface Run {
  readonly run: string
  readonly status: string
  readonly waitsFor?: readonly { readonly approval: string }[]
}

/** The run of the load, once it waits for people or has ended. */
async function load(): Promise<Run> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { items } = (await hub.ask(hub.owner, 'runs.list', {})).output as { readonly items: readonly Run[] }
    const [{ run } = { run: undefined }] = items
    if (run === undefined) throw new Error('nothing was begun')
    const shown = (await hub.ask(hub.owner, 'runs.get', { run })).output as Run
    if (shown.status !== 'running' || shown.waitsFor?.[0] !== undefined) return shown
    await delay(10)
  }
  throw new Error('it neither waits nor ends')
}

const armed = () => {
  if (killAt !== '0') left = Number(killAt)
}

if (task === 'ask') {
  await hub.invoke(hub.owner, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
  armed()
  await hub.invoke(hub.owner, 'gate.load', { files: await trialRules() }, { wait: false })
  await load()
} else {
  const approval = (await load()).waitsFor?.[0]?.approval
  if (approval !== undefined) {
    armed()
    await vote(hub, person('second', 'owner'), approval, task === 'deny' ? 'deny' : 'approve')
    for (let tries = 0; tries < TRIES_MAX && (await load()).status === 'running'; tries++) await delay(10)
  }
}
die()
