#!lua name=happypath_@VERSION@

-- The functions of the hot store. Each touches the keys of one partition, which share one hash tag, and all of them are
-- declared. Values are opaque. A function is isolated but is not undone where it fails half-way: so each reads and
-- decides first, writes then, and writes last what says that it wrote.

-- Lua cannot pass more than about 8,000 arguments at once; even, so that pairs stay together.
local CHUNK = 4000

local function write(command, key, args, first, last)
  for from = first, last, CHUNK do
    redis.call(command, key, unpack(args, from, math.min(from + CHUNK - 1, last)))
  end
end

local function decimal(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Ids of entries are <milliseconds>-<number of the entry in its stream>. The milliseconds never fall, so that a reader
-- that has outlived a loss of the newest entries still sees those that follow; the number tells how many there are.
local function next_id(tail, now)
  local ms, number = string.match(tail or '0-0', '^(%d+)-(%d+)$')
  return decimal(math.max(tonumber(ms), now)) .. '-' .. decimal(tonumber(number) + 1)
end

-- keys: the installation. args: schema, partitions. Returns what the installation was created with.
local function install(keys, args)
  redis.call('HSETNX', keys[1], 'schema', args[1])
  redis.call('HSETNX', keys[1], 'partitions', args[2])
  return redis.call('HMGET', keys[1], 'schema', 'partitions')
end

-- keys: meta, counters. args: the epoch to raise to, or nothing to only look.
local function open(keys, args)
  local epoch = redis.call('HGET', keys[1], 'epoch') or '0'
  if args[1] then
    if tonumber(args[1]) < tonumber(epoch) then
      return {'fenced', epoch}
    end
    redis.call('HSET', keys[1], 'epoch', args[1])
  end
  return {'ok', redis.call('HGETALL', keys[1]), redis.call('HGETALL', keys[2])}
end

-- keys: meta, timers, counters, outbox, quarantine, tails, then the streams of the outputs, the states to write and the
-- states to remove.
-- args: epoch, seq, batch, partition, channel, then how many outputs, states to write, states to remove, timers to set,
-- timers to clear, counters, outbox messages, fields of meta and quarantined records there are, then those: (stream,
-- payload), value, (nothing: the key says it), (due, key), key, (name, value), (target, payload), (field, value),
-- payload.
local function commit(keys, args)
  local meta, tails = keys[1], keys[6]
  local head = redis.call('HMGET', meta, 'epoch', 'seq', 'batch', 'outbox', 'quarantine')
  local epoch, seq = head[1] or '0', head[2] or '0'
  if args[1] ~= epoch then
    return {'fenced', epoch}
  end
  if args[2] == seq and seq ~= '0' and args[3] == head[3] then
    return {'already'}
  end
  if tonumber(args[2]) ~= tonumber(seq) + 1 then
    return {'gap', seq}
  end
  local partition, channel = args[4], args[5]
  local outputs, sets, removes = tonumber(args[6]), tonumber(args[7]), tonumber(args[8])
  local due, cleared, counters = tonumber(args[9]), tonumber(args[10]), tonumber(args[11])
  local outgoing, fields, quarantined = tonumber(args[12]), tonumber(args[13]), tonumber(args[14])
  local key, at = 7, 15

  if outputs > 0 then
    local names = {}
    for n = 0, outputs - 1 do
      names[n + 1] = args[at + 2 * n]
    end
    local ends, now = redis.call('HMGET', tails, unpack(names)), now_ms()
    local moved = {}
    for n = 1, outputs do
      local id = next_id(ends[n], now)
      redis.call('XADD', keys[key], id, 'p', args[at + 1])
      moved[2 * n - 1], moved[2 * n] = names[n], id
      key, at = key + 1, at + 2
    end
    redis.call('HSET', tails, unpack(moved))
    for n = 1, outputs do
      redis.call('PUBLISH', channel .. names[n], partition)
    end
  end

  if sets > 0 then
    local pairs_of = {}
    for n = 0, sets - 1 do
      pairs_of[2 * n + 1], pairs_of[2 * n + 2] = keys[key + n], args[at + n]
    end
    redis.call('MSET', unpack(pairs_of))
    key, at = key + sets, at + sets
  end
  if removes > 0 then
    redis.call('UNLINK', unpack(keys, key, key + removes - 1))
  end

  write('ZADD', keys[2], args, at, at + 2 * due - 1)
  at = at + 2 * due
  write('ZREM', keys[2], args, at, at + cleared - 1)
  at = at + cleared
  write('HSET', keys[3], args, at, at + 2 * counters - 1)
  at = at + 2 * counters

  local sent = tonumber(head[4] or '0')
  for _ = 1, outgoing do
    sent = sent + 1
    redis.call('XADD', keys[4], '0-' .. decimal(sent), 't', args[at], 'p', args[at + 1])
    at = at + 2
  end
  local fields_at = at
  at = at + 2 * fields
  local aside = tonumber(head[5] or '0')
  for _ = 1, quarantined do
    aside = aside + 1
    redis.call('XADD', keys[5], '0-' .. decimal(aside), 'p', args[at])
    at = at + 1
  end

  redis.call('HSET', meta, 'seq', args[2], 'batch', args[3], 'outbox', decimal(sent), 'quarantine', decimal(aside),
    unpack(args, fields_at, fields_at + 2 * fields - 1))
  return {'ok'}
end

-- keys: stream, tails, marks of the sources, use of the sources. args: stream, partition, channel, most entries, most
-- sources, payload, then either nothing or source, first, last. Sequences have 20 digits, so that text sorts as numbers.
local function append(keys, args)
  local source, first, last = args[7], args[8], args[9]
  local mark = source and redis.call('HGET', keys[3], source)
  if mark then
    if last <= mark then
      return {'replayed'}
    end
    if first <= mark then
      return {'overlaps', mark}
    end
  end
  if redis.call('XLEN', keys[1]) >= tonumber(args[4]) then
    return {'full'}
  end
  local id = next_id(redis.call('HGET', keys[2], args[1]), now_ms())
  redis.call('XADD', keys[1], id, 'p', args[6])
  if source then
    redis.call('HSET', keys[3], source, last)
    redis.call('ZADD', keys[4], string.match(id, '%d+$'), source)
    if redis.call('ZCARD', keys[4]) > tonumber(args[5]) then
      redis.call('HDEL', keys[3], redis.call('ZPOPMIN', keys[4])[1])
    end
  end
  redis.call('HSET', keys[2], args[1], id)
  redis.call('PUBLISH', args[3] .. args[1], args[2])
  return {'ok'}
end

-- keys: meta, outbox. args: the last message to remove.
local function trim_outbox(keys, args)
  local head = redis.call('HMGET', keys[1], 'outbox', 'forwarded')
  local upto = math.min(tonumber(args[1]), tonumber(head[1] or '0'))
  if upto > tonumber(head[2] or '0') then
    redis.call('XTRIM', keys[2], 'MINID', '0-' .. decimal(upto + 1))
    redis.call('HSET', keys[1], 'forwarded', decimal(upto))
  end
  return {'ok'}
end

redis.register_function('happypath_@VERSION@_install', install)
redis.register_function('happypath_@VERSION@_open', open)
redis.register_function('happypath_@VERSION@_commit', commit)
redis.register_function('happypath_@VERSION@_append', append)
redis.register_function('happypath_@VERSION@_trim_outbox', trim_outbox)
