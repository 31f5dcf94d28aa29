// A real Caddy for one test.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { findProgram, type RunningProxy, startProxy } from './proxy.ts'

export const CADDY = findProgram('caddy')

/** @param site what stands in the block of the site. Throws where Caddy refuses it. */
export const startCaddy = (site: string): Promise<RunningProxy> =>
  startProxy({
    file: CADDY ?? 'caddy',
    prepare(dir, port) {
      const file = join(dir, 'Caddyfile')
      writeFileSync(file, configuration(port, site))
      return {
        args: ['run', '--config', file, '--adapter', 'caddyfile'],
        env: { PATH: process.env.PATH, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
      }
    },
  })

const configuration = (port: number, site: string): string => `
{
  admin off
  auto_https off
  grace_period 1s
}
http://:${port} {
  bind 127.0.0.1
  ${site}
}
`
