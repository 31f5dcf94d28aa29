// A process that opens a hub on a folder, says so, and holds it until it is killed.

import process from 'node:process'
import { openHub } from '../../../src/hub.ts'
import { state } from '../../../src/modules/state/module.ts'

const [dir = '', anchorPath = ''] = process.argv.slice(2)
await openHub({ dir, anchorPath, modules: [state] })
process.stdout.write('open\n')
setInterval(() => undefined, 60_000)
