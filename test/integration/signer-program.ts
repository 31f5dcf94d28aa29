// A signer program for tests: signs what it reads, or misbehaves in the way that its first argument names.

import { Buffer } from 'node:buffer'
import { createPrivateKey, sign } from 'node:crypto'
import { appendFileSync, readFileSync, writeSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'

const [, , manner = 'honest', keyPath = '', tracePath = ''] = process.argv
const key = createPrivateKey(readFileSync(keyPath))
if (tracePath !== '') appendFileSync(tracePath, `started ${process.pid}\n`)

let asked = 0
for await (const line of createInterface({ input: process.stdin })) {
  asked += 1
  const bytes = Buffer.from(line, 'base64')
  const signature = sign(null, bytes, key).toString('base64')
  if (manner === 'dies-after-one' && asked > 1) process.exit(3)
  else if (manner === 'silent') continue
  else if (manner === 'wrong') writeSync(1, `${sign(null, Buffer.from('other'), key).toString('base64')}\n`)
  else if (manner === 'garbage') writeSync(1, 'no signature\n')
  else if (manner === 'endless') writeSync(1, 'A'.repeat(4096))
  else if (manner === 'twice') writeSync(1, `${signature}\n${signature}\n`)
  else writeSync(1, `${signature}\n`)
}
