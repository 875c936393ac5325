#!/usr/bin/env node
// A channel that listens: three updates from the cursor on, each told when the one before is kept, and then whatever its settings say.

import { SendError, serve } from '../otn.js';

serve({
  name: 'ear',
  version: '1.0.0',
  schema: { type: 'object', properties: { deed: { type: 'string' }, odd: { type: 'boolean' } }, additionalProperties: false },
  async open({ deed }) {
    const sent = new Set();
    return {
      account: 'bot-7',
      async send(delivery) {
        sent.add(delivery.id);
      },
      async lookup(delivery) {
        if (deed === 'cannot tell') throw new Error('the platform answers 500');
        if (!sent.has(delivery.id)) throw new SendError('deferred', 'no such message', { code: 'not_found' });
        return { providerID: 'm-1' };
      },
      async listen(cursor, keep, { signal }) {
        for (let n = Number(cursor) || 0; n < 3; n++) {
          await keep(String(n + 1), [{ key: `u${n}`, at: new Date(1e12 + n), note: { code: 'heard', text: cursor } }]);
        }
        if (deed === 'breaks') throw new Error('the platform hung up');
        if (deed === 'waits') throw new SendError('deferred', 'too many requests', { after: 90_000 });
        if (deed === 'too many') await keep('', Array.from({ length: 1001 }, () => ({ note: {} })));
        if (deed === 'forgets') await keep('', Array.from({ length: 1001 }, () => ({ note: {} }))).catch(() => {});
        if (deed === 'ends' || deed === 'forgets') return;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
      },
      async validate() {
        if (deed) throw Object.assign(new Error('the platform knows no such deed'), { path: 'deed' });
      },
    };
  },
});
