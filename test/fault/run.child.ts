// A process that owns a hub and never stops asking for runs: the victim of the runs' fault test.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { lab } from '../integration/lab/module.ts'
import { say } from './say.ts'

/** `killAt`: the body, counted from the start of this process, in which it kills itself; 0: its parent does. */
const [root = '', killAt = '0', life = ''] = process.argv.slice(2)
const CALLERS = 3

/** Lines on stdout: `open`, `body RUN STEP`, `done ACTION OUTPUT`. Bodies also go to a file that outlives everybody. */

let bodies = 0
const onBody = (run: string, step: string) => {
  appendFileSync(join(root, 'bodies'), `${run} ${step}\n`)
  say(`body ${run} ${step}`)
  bodies += 1
  if (bodies === Number(killAt)) process.kill(process.pid, 'SIGKILL')
}

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [lab({ onBody })],
})
say('open')

const owner = { chain: [OWNER] }
const caller = async (name: string): Promise<never> => {
  for (let turn = 0; ; turn++) {
    const mark = `${name}-${turn}`
    const asked = [
      ['lab.work', { steps: 4, secret: mark }],
      ['lab.increment', { counter: 'shared' }],
      ['lab.work-once', { steps: 2 }],
      ['lab.delegate', { counter: `of-${mark}` }],
    ] as const
    for (const [action, input] of asked) {
      const answer = await hub.invoke(owner, action, input, { key: `${action} ${mark}` })
      if (answer.status === 'done') say(`done ${action} ${JSON.stringify(answer.output)}`)
    }
  }
}
await Promise.all(Array.from({ length: CALLERS }, (_, index) => caller(`c${life}x${index}`)))
