// A real nginx for one test.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, type RunningProxy, startProxy } from './proxy.ts'

/** Debian has it where the PATH of people who are not root does not look. */
export const NGINX = findProgram('nginx', '/usr/sbin', '/usr/local/sbin')

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** @param locations what stands in the `server` block. Throws where nginx refuses them. */
export const startNginx = (locations: string): Promise<RunningProxy> =>
  startProxy({
    file: NGINX ?? 'nginx',
    prepare(dir, port) {
      const file = join(dir, 'nginx.conf')
      writeFileSync(file, configuration(dir, port, locations))
      mkdirSync(join(dir, 'logs'))
      return { args: ['-p', dir, '-c', file, '-e', 'stderr'] }
    },
  })

const configuration = (dir: string, port: number, locations: string): string => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  ${TEMPORARY.map((each) => `${each}_temp_path ${dir}/${each};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`
