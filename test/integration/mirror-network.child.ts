// A process that analyses the repositories it is given and says how it went: the one that a test traces.

import process from 'node:process'
import { asPolityError } from '../../src/kernel/errors.ts'
import { openPool } from '../../src/modules/mirror/pool.ts'

const [cacheDir = '', ...paths] = process.argv.slice(2)
const pool = openPool({ cacheDir })
const words = await Promise.all(
  paths.map((path) =>
    pool.analyze(path).then(
      ({ lines, files }) => `${lines.state}, ${files?.missing ?? 'all'} missing`,
      (error: unknown) => asPolityError(error).code,
    ),
  ),
)
await pool.close()
process.stdout.write(`${JSON.stringify(words)}\n`)
