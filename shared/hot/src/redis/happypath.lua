#!lua name=happypath_@VERSION@

-- The functions of the hot store. Each touches the keys of one partition, which share one hash tag, and all of them are
-- declared. Values are opaque. A function is isolated but is not undone where it fails half-way: so each reads and
-- decides first, writes then, and writes last what says that it wrote.

-- Lua cannot pass more than about 8,000 arguments at once; even, so that pairs stay together.
local CHUNK = 4000
-- The byte `-`.
local MINUS = 45
-- The ends of the range of a counter.
local LEAST, MOST = '-9223372036854775808', '9223372036854775807'
-- Before the first entry of a writer.
local NOTHING = '00000000000000000000'

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

-- The field of the oldest program that can live with an installation is `schema`, since programs of before the field
-- `written_schema` want theirs there. The latter is absent where both are the same.
local function raise_schema(key, found, reader, written)
  if reader > tonumber(found[1]) then
    redis.call('HSET', key, 'schema', decimal(reader))
  end
  if written > tonumber(found[4] or found[1]) then
    redis.call('HSET', key, 'written_schema', decimal(written))
  end
end

-- keys: the installation. args: the schema that the caller writes, the oldest that can live with that, the oldest that the
-- caller reads, partitions, the id by which the database of the caller knows the installation, or nothing. Returns what the
-- installation was created with. One that fits is written to by the caller from now on, and belongs to the database of the
-- caller where it belonged to none.
local function install(keys, args)
  local written, reader, oldest = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  if redis.call('HSETNX', keys[1], 'schema', args[2]) == 1 and written > reader then
    redis.call('HSET', keys[1], 'written_schema', args[1])
  end
  redis.call('HSETNX', keys[1], 'partitions', args[4])
  local found = redis.call('HMGET', keys[1], 'schema', 'partitions', 'id', 'written_schema')
  local newest = math.max(tonumber(found[1]), tonumber(found[4] or 0))
  local fits = tonumber(found[1]) <= written and newest >= oldest and found[2] == args[4]
  if fits and args[5] and not found[3] then
    redis.call('HSET', keys[1], 'id', args[5])
    found[3] = args[5]
  end
  if fits and found[3] == (args[5] or found[3]) then
    raise_schema(keys[1], found, reader, written)
  end
  return found
end

-- keys: meta, consumed, buckets. args: the epoch to raise to, or nothing to only look. The epoch of a partition whose gate
-- is closed has a minus before it, so that no commit's is equal to it.
local function open(keys, args)
  local epoch = redis.call('HGET', keys[1], 'epoch') or '0'
  if not args[1] then
    return {'ok', redis.call('HGETALL', keys[1]), redis.call('HGETALL', keys[2])}
  end
  if string.byte(epoch) == MINUS then
    return {'gated'}
  end
  if tonumber(args[1]) < tonumber(epoch) then
    return {'fenced', epoch}
  end
  redis.call('HSET', keys[1], 'epoch', args[1])
  return {'ok', redis.call('HGETALL', keys[1]), redis.call('HGETALL', keys[2]), redis.call('SMEMBERS', keys[3])}
end

-- The size of a quarantine, as its fields in the head say it.
local function size_of(records, bytes)
  return {records = tonumber(records or '0'), bytes = tonumber(bytes or '0')}
end

local function entry_at(quarantine, id)
  return redis.call('XRANGE', quarantine, id, id)[1]
end

local function set_aside(quarantine, size, id, payload)
  redis.call('XADD', quarantine, id, 'p', payload)
  size.records, size.bytes = size.records + 1, size.bytes + #payload
end

local function release(quarantine, size, id)
  local entry = entry_at(quarantine, id)
  if entry then
    redis.call('XDEL', quarantine, id)
    size.records, size.bytes = size.records - 1, size.bytes - #entry[2][2]
  end
end

-- Adds to a counter, which stays within its range.
local function add(counters, name, change)
  local sum = redis.pcall('HINCRBY', counters, name, change)
  if type(sum) == 'table' then
    redis.call('HSET', counters, name, string.byte(change) == MINUS and LEAST or MOST)
  end
end

-- Removes groups of counters and adds to others. A retry adds again what this has added, so it comes last.
local function count(keys, args, key, at, dropped, groups)
  if dropped > 0 then
    redis.call('UNLINK', unpack(keys, key, key + dropped - 1))
    redis.call('SREM', keys[7], unpack(args, at, at + dropped - 1))
    key, at = key + dropped, at + dropped
  end
  local names = {}
  for n = 0, groups - 1 do
    names[n + 1] = args[at]
    local counters = tonumber(args[at + 1])
    at = at + 2
    for _ = 1, counters do
      add(keys[key + n], args[at], args[at + 1])
      at = at + 2
    end
  end
  write('SADD', keys[7], names, 1, groups)
end

-- Applies a commit that has been found to follow. sent: the number of the last outbox message; size: that of the quarantine.
-- The rest is as for `commit`; `at` is the place of the count of outputs.
local function apply(keys, args, sent, size)
  local partition, channel, field = args[4], args[5], args[6]
  local outputs, sets, removes, pushes, ends, begins, closes, marks, outgoing, fields, released, quarantined, dropped, groups, consumed =
    struct.unpack('<HHHHHHHHHHHHHHH', args[7])
  local key, at = 8, 8

  if outputs > 0 then
    local names = {}
    for n = 0, outputs - 1 do
      names[n + 1] = args[at + 2 * n]
    end
    local tails, now = redis.call('HMGET', keys[5], unpack(names)), now_ms()
    local moved = {}
    for n = 1, outputs do
      local id = next_id(tails[n], now)
      redis.call('XADD', keys[key], id, field, args[at + 1])
      moved[2 * n - 1], moved[2 * n] = names[n], id
      key, at = key + 1, at + 2
    end
    redis.call('HSET', keys[5], unpack(moved))
    for n = 1, outputs do
      redis.call('PUBLISH', channel .. names[n], partition)
    end
  end

  if sets > 0 then
    local written = {}
    for n = 0, sets - 1 do
      written[2 * n + 1], written[2 * n + 2] = keys[key + n], args[at + n]
    end
    redis.call('MSET', unpack(written))
    key, at = key + sets, at + sets
  end
  if removes > 0 then
    redis.call('UNLINK', unpack(keys, key, key + removes - 1))
    key = key + removes
  end

  if ends > 0 then
    redis.call('UNLINK', unpack(keys, key, key + ends - 1))
    key = key + ends
  end
  for n = 0, pushes - 1 do
    redis.call('RPUSH', keys[key + n], args[at + n])
  end
  key, at = key + pushes, at + pushes
  write('SADD', keys[6], args, at, at + begins - 1)
  at = at + begins
  write('SREM', keys[6], args, at, at + closes - 1)
  at = at + closes
  write('HSET', keys[2], args, at, at + 2 * marks - 1)
  at = at + 2 * marks

  for _ = 1, outgoing do
    sent = sent + 1
    redis.call('XADD', keys[3], '0-' .. decimal(sent), 't', args[at], 'p', args[at + 1])
    at = at + 2
  end
  local fields_at = at
  at = at + 2 * fields
  for n = 0, released - 1 do
    release(keys[4], size, args[at + n])
  end
  at = at + released
  for n = 0, quarantined - 1 do
    set_aside(keys[4], size, args[2] .. '-' .. n, args[at + n])
  end
  at = at + quarantined

  count(keys, args, key, at, dropped, groups)
  redis.call('HSET', keys[1], 'seq', args[2], 'batch', args[3], 'outbox', decimal(sent), 'aside', decimal(size.records),
    'aside_bytes', decimal(size.bytes), unpack(args, fields_at, fields_at + 2 * fields - 1))
  -- Entries go once it is written that they are in effect: where anything before failed, they are read again.
  key = key + dropped + groups
  for n = 0, consumed - 1 do
    redis.call('XTRIM', keys[key + n], 'MINID', args[#args - consumed + 1 + n])
  end
  return {'ok'}
end

-- keys: meta, consumed, outbox, quarantine, tails, buckets, groups, then the streams of the outputs, the states to write, the
-- states to remove, the lists of timers to remove and those to add to, the counters to remove and those to add to, the streams
-- of which entries are in effect now.
-- args: epoch, seq, batch, partition, channel, the field of an entry, then how many outputs, states to write, states to
-- remove, lists to add to, lists to remove, buckets that begin, buckets that end, marks, outbox messages, fields of meta,
-- released and quarantined entries, groups of counters to remove and to add to, and streams that were read there are, as one
-- packed text; then those: (stream, payload), value, (nothing: the key says it), records, (nothing), bucket, bucket,
-- (field, value), (target, payload), (field, value), id, payload, group, (group, how many, (name, change) of each), the first
-- entry to keep.
local function commit(keys, args)
  local head = redis.call('HMGET', keys[1], 'epoch', 'seq', 'batch', 'outbox', 'aside', 'aside_bytes', 'waits')
  local epoch, seq = head[1] or '0', head[2] or '0'
  if args[1] ~= epoch then
    return {'fenced', (string.gsub(epoch, '^-', ''))}
  end
  if args[2] == seq and seq ~= '0' and args[3] == head[3] then
    return {'already'}
  end
  if tonumber(args[2]) ~= tonumber(seq) + 1 then
    return {'gap', seq}
  end
  local answer = apply(keys, args, tonumber(head[4] or '0'), size_of(head[5], head[6]))
  if head[7] then
    redis.call('HDEL', keys[1], 'waits')
    redis.call('PUBLISH', args[5] .. head[7], args[4])
  end
  return answer
end

-- Remembers how far a source is taken; the source used longest ago is forgotten where there are too many.
local function remember(marks, uses, source, last, use, most)
  redis.call('HSET', marks, source, last)
  redis.call('ZADD', uses, use, source)
  if redis.call('ZCARD', uses) > tonumber(most) then
    redis.call('HDEL', marks, redis.call('ZPOPMIN', uses)[1])
  end
end

-- What becomes of an append of a writer that is not its next one: nothing where it is. `before` is the number before `seq`.
local function out_of_turn(origins, tails, name, writer, seq, before)
  local origin = redis.call('HMGET', origins, writer, 'gate')
  if origin[2] then
    return {'gated'}
  end
  local taken = origin[1] or NOTHING
  if seq <= taken then
    return {'replayed', redis.call('HGET', tails, name) or '0-0'}
  end
  if before ~= taken then
    return {'gap', taken}
  end
end

-- Adds an entry to a stream, and returns its id. The caller moves the tail.
local function add_entry(stream, tails, name, field, payload, now)
  local id = next_id(redis.call('HGET', tails, name), now)
  redis.call('XADD', stream, id, field, payload)
  return id
end

-- keys: stream, tails, marks of the sources, use of the sources, marks of the writers. args: stream, partition, channel,
-- most entries, most sources, payload, the field of the entry, then the writer, its number and the one before, empty where
-- there is none; then either nothing or source, first, last. Numbers that are compared have 20 digits, so that text sorts
-- as numbers. Returns the id of the newest entry of the stream where it has what was appended.
local function append(keys, args)
  local writer, seq = args[8], args[9]
  local is_counted = writer ~= ''
  local answer = is_counted and out_of_turn(keys[5], keys[2], args[1], writer, seq, args[10])
  if answer then
    return answer
  end
  local source, first, last = args[11], args[12], args[13]
  local mark = source and redis.call('HGET', keys[3], source)
  if mark and first <= mark then
    if is_counted then
      redis.call('HSET', keys[5], writer, seq)
    end
    local newest = redis.call('HGET', keys[2], args[1]) or '0-0'
    if last <= mark then
      return {'replayed', newest}
    end
    return {'overlaps', newest, mark}
  end
  if not is_counted and redis.call('XLEN', keys[1]) >= tonumber(args[4]) then
    return {'full'}
  end
  local id = add_entry(keys[1], keys[2], args[1], args[7], args[6], now_ms())
  if source then
    remember(keys[3], keys[4], source, last, string.match(id, '%d+$'), args[5])
  end
  if is_counted then
    redis.call('HSET', keys[5], writer, seq)
  end
  redis.call('HSET', keys[2], args[1], id)
  redis.call('PUBLISH', args[3] .. args[1], args[2])
  return {'ok', id}
end

-- Appends without a source to several streams, of partitions of one server. keys: of each append the stream, the tails, the
-- marks of the writers. args: channel, most entries, then of each append: stream, partition, payload, the field of the entry,
-- the writer, its number and the one before, empty where there is none. Returns of each what `append` does.
local function append_together(keys, args)
  local now, answers, at = now_ms(), {}, 3
  for n = 1, #keys, 3 do
    local stream, tails, origins = keys[n], keys[n + 1], keys[n + 2]
    local name, writer, seq = args[at], args[at + 4], args[at + 5]
    local is_counted = writer ~= ''
    local answer = is_counted and out_of_turn(origins, tails, name, writer, seq, args[at + 6])
    if not answer and not is_counted and redis.call('XLEN', stream) >= tonumber(args[2]) then
      answer = {'full'}
    end
    if not answer then
      local id = add_entry(stream, tails, name, args[at + 3], args[at + 2], now)
      if is_counted then
        redis.call('HSET', origins, writer, seq)
      end
      redis.call('HSET', tails, name, id)
      redis.call('PUBLISH', args[1] .. name, args[at + 1])
      answer = {'ok', id}
    end
    answers[#answers + 1] = answer
    at = at + 7
  end
  return answers
end

-- When the first entry of a stream after a cursor was accepted: the time in its id, or 0 where it was restored, as a second
-- field says; nothing where there is none.
local function oldest_after(stream, cursor)
  local entry = redis.call('XRANGE', stream, '(' .. (cursor or '0-0'), '+', 'COUNT', 1)[1]
  if entry then
    return entry[2][3] and 0 or tonumber(string.match(entry[1], '^%d+'))
  end
end

-- keys: tails, whose node tells the time, then streams, each followed by the head of its reader. args: the field of each
-- reader's cursor. Returns the time, and then the least of it, of when entries that are not in effect were accepted, and of
-- when the readers may have a timer: 0 where a stream was restored.
local function frontier(keys, args)
  local now = now_ms()
  local time = now
  for n = 1, #args do
    local reader = redis.call('HMGET', keys[2 * n + 1], args[n], 'next')
    time = math.min(time, tonumber(reader[2] or now), oldest_after(keys[2 * n], reader[1]) or now)
  end
  return {decimal(now), decimal(math.max(time, 0))}
end

-- keys: tails, whose node tells the time, the head of a reader, then its streams. args: the end of the channel that is told of
-- the reader's next commit, then the field of the cursor of each stream. Returns the time, or that of the newest entry of the
-- partition where that is later, and then when the oldest entry that is not in effect was accepted: 0 where it was restored,
-- nothing where there is none.
local function unread(keys, args)
  local newest = now_ms()
  for _, tail in ipairs(redis.call('HVALS', keys[1])) do
    newest = math.max(newest, tonumber(string.match(tail, '^%d+')))
  end
  local oldest
  for n = 2, #args do
    local time = oldest_after(keys[n + 1], redis.call('HGET', keys[2], args[n]))
    oldest = time and math.min(time, oldest or time) or oldest
  end
  if not oldest then
    return {decimal(newest)}
  end
  redis.call('HSET', keys[2], 'waits', args[1])
  return {decimal(newest), decimal(oldest)}
end

-- Whether a partition is at this epoch and this commit; one that was never opened is at 0 and 0.
local function is_at(meta, epoch, seq)
  local head = redis.call('HMGET', meta, 'epoch', 'seq')
  return (head[1] or '0') == epoch and (head[2] or '0') == seq
end

-- keys: meta, stream. args: epoch, the last commit, the first entry to keep.
local function trim(keys, args)
  if not is_at(keys[1], args[1], args[2]) then
    return {'moved'}
  end
  redis.call('XTRIM', keys[2], 'MINID', args[3])
  return {'ok'}
end

-- keys: meta, outbox. args: epoch, the last commit, the last message to remove.
local function trim_outbox(keys, args)
  if not is_at(keys[1], args[1], args[2]) then
    return {'moved'}
  end
  local head = redis.call('HMGET', keys[1], 'outbox', 'forwarded')
  local upto = math.min(tonumber(args[3]), tonumber(head[1] or '0'))
  if upto > tonumber(head[2] or '0') then
    redis.call('XTRIM', keys[2], 'MINID', '0-' .. decimal(upto + 1))
    redis.call('HSET', keys[1], 'forwarded', decimal(upto))
  end
  return {'ok'}
end

-- keys: quarantine. args: where to begin, most entries, most bytes. Reads one entry after the other, so that the server
-- never holds more than the page and one entry. The first is in the page whatever its size.
local function quarantined(keys, args)
  local from, page, bytes = args[1], {}, 0
  for n = 1, tonumber(args[2]) do
    local entry = redis.call('XRANGE', keys[1], from, '+', 'COUNT', 1)[1]
    if not entry then
      break
    end
    bytes = bytes + #entry[2][2]
    if n > 1 and bytes > tonumber(args[3]) then
      break
    end
    page[n] = entry
    from = '(' .. entry[1]
  end
  return page
end

-- Writes a stream again as it is: a server keeps entries that were removed with those that were added beside them, until all
-- of these are gone. The copy takes its place once it is whole. keys: stream, copy.
local function repack(keys)
  if redis.call('XLEN', keys[1]) == 0 then
    return {'ok'}
  end
  redis.call('DEL', keys[2])
  for _, entry in ipairs(redis.call('XRANGE', keys[1], '-', '+')) do
    redis.call('XADD', keys[2], entry[1], unpack(entry[2]))
  end
  redis.call('RENAME', keys[2], keys[1])
  return {'ok'}
end

-- Whether a restore still has the gate. keys: the gate. args: its token.
local function has_gate(key, token)
  if redis.call('HGET', key, 'token') ~= token then
    return false
  end
  redis.call('HSET', key, 'time', decimal(now_ms()))
  return true
end

-- keys: the gate, then the metas of all slots and the marks of the writers of all streams. args: token, how many metas there
-- are, how long the gate is respected in milliseconds, the gate that was opened last as far as the caller knows.
local function close_gate(keys, args)
  local gate, now = redis.call('HMGET', keys[1], 'token', 'time', 'ttl', 'opened'), now_ms()
  if gate[1] and gate[1] ~= args[1] and math.abs(now - tonumber(gate[2])) < tonumber(gate[3] or args[3]) then
    return {'held'}
  end
  if not gate[1] and (gate[4] or '') ~= args[4] then
    return {'passed'}
  end
  redis.call('HSET', keys[1], 'token', args[1], 'time', decimal(now), 'ttl', args[3])
  local metas = 1 + tonumber(args[2])
  for n = 2, metas do
    local epoch = redis.call('HGET', keys[n], 'epoch') or '0'
    if string.byte(epoch) ~= MINUS then
      redis.call('HSET', keys[n], 'epoch', '-' .. epoch)
    end
  end
  for n = metas + 1, #keys do
    redis.call('HSET', keys[n], 'gate', args[1])
  end
  return {'ok'}
end

-- keys: the gate. args: its token.
local function hold_gate(keys, args)
  return {has_gate(keys[1], args[1]) and 'ok' or 'gated'}
end

-- keys: as for close_gate. args: token, then the least epoch of each meta.
local function open_gate(keys, args)
  local gate = redis.call('HMGET', keys[1], 'token', 'opened')
  if not gate[1] and gate[2] == args[1] then
    return {'ok'}
  end
  if gate[1] ~= args[1] then
    return {'gated'}
  end
  for n = 2, #args do
    local epoch = string.gsub(redis.call('HGET', keys[n], 'epoch') or '0', '^-', '')
    if tonumber(args[n]) > tonumber(epoch) then
      epoch = args[n]
    end
    redis.call('HSET', keys[n], 'epoch', epoch)
  end
  for n = #args + 1, #keys do
    redis.call('HDEL', keys[n], 'gate')
  end
  redis.call('HDEL', keys[1], 'token', 'time', 'ttl')
  redis.call('HSET', keys[1], 'opened', args[1])
  return {'ok'}
end

-- keys: gate, meta, consumed, outbox, quarantine, buckets, groups, then the states, the lists of timers to add to and the
-- counters. args: token, then how many states, lists, groups of counters, quarantined entries, marks, fields of meta and
-- outbox messages there are, as one packed text; then those: value, records, bucket for each list, (group, how many,
-- (name, value) of each), (id, payload), (field, value), (field, value), (number, target, payload). The outbox is made anew
-- where there are fields.
local function restore_states(keys, args)
  if not has_gate(keys[1], args[1]) then
    return {'gated'}
  end
  local sets, pushes, groups, quarantined, marks, fields, outgoing = struct.unpack('<HHHHHHH', args[2])
  local key, at = 8, 3
  if sets > 0 then
    local written = {}
    for n = 0, sets - 1 do
      written[2 * n + 1], written[2 * n + 2] = keys[key + n], args[at + n]
    end
    redis.call('MSET', unpack(written))
    key, at = key + sets, at + sets
  end
  for n = 0, pushes - 1 do
    redis.call('RPUSH', keys[key + n], args[at + n])
  end
  key, at = key + pushes, at + pushes
  write('SADD', keys[6], args, at, at + pushes - 1)
  at = at + pushes
  for n = 0, groups - 1 do
    local counters = tonumber(args[at + 1])
    redis.call('SADD', keys[7], args[at])
    at = at + 2
    write('HSET', keys[key + n], args, at, at + 2 * counters - 1)
    at = at + 2 * counters
  end
  if quarantined > 0 then
    local head = redis.call('HMGET', keys[2], 'aside', 'aside_bytes')
    local size = size_of(head[1], head[2])
    for _ = 1, quarantined do
      if not entry_at(keys[5], args[at]) then
        set_aside(keys[5], size, args[at], args[at + 1])
      end
      at = at + 2
    end
    redis.call('HSET', keys[2], 'aside', decimal(size.records), 'aside_bytes', decimal(size.bytes))
  end
  write('HSET', keys[3], args, at, at + 2 * marks - 1)
  at = at + 2 * marks
  if fields > 0 then
    local fields_at = at
    at = at + 2 * fields
    redis.call('UNLINK', keys[4])
    for _ = 1, outgoing do
      redis.call('XADD', keys[4], '0-' .. args[at], 't', args[at + 1], 'p', args[at + 2])
      at = at + 3
    end
    redis.call('HSET', keys[2], unpack(args, fields_at, fields_at + 2 * fields - 1))
  end
  return {'ok'}
end

-- As `commit` for all commits from one to `seq`, whatever the epoch; the last key is the gate, the last arguments its token and
-- the number of the commit before. No stream is read meanwhile: each is restored after.
local function restore_commits(keys, args)
  if not has_gate(keys[#keys], args[#args - 1]) then
    return {'gated'}
  end
  local head = redis.call('HMGET', keys[1], 'seq', 'outbox', 'aside', 'aside_bytes')
  local seq = head[1] or '0'
  if tonumber(args[2]) <= tonumber(seq) then
    return {'ok'}
  end
  if args[#args] ~= seq then
    return {'gap', seq}
  end
  return apply(keys, args, tonumber(head[2] or '0'), size_of(head[3], head[4]))
end

-- keys: stream, tails, marks of the sources, use of the sources, marks of the writers, meta of the reader, gate.
-- args: token, stream, the field of the reader's cursor, most sources, whether this is the first part, then how many
-- entries, writers and sources there are, as one packed text; then those: (field, payload), (writer, mark), (source, mark).
-- No two entries have one origin, so the last one tells whether a part is there.
local function restore_stream(keys, args)
  if not has_gate(keys[7], args[1]) then
    return {'gated'}
  end
  local name, most = args[2], args[4]
  local entries, writers, sources = struct.unpack('<HHH', args[6])
  local at = 7
  local is_there = false
  if args[5] == '1' then
    redis.call('UNLINK', keys[1], keys[5])
    redis.call('HSET', keys[5], 'gate', args[1])
    redis.call('HDEL', keys[6], args[3])
  elseif entries > 0 then
    local last = redis.call('XREVRANGE', keys[1], '+', '-', 'COUNT', 1)[1]
    is_there = last and last[2][1] == args[at + 2 * (entries - 1)]
  end
  local id, now = redis.call('HGET', keys[2], name), now_ms()
  if not is_there then
    for n = 0, entries - 1 do
      id = next_id(id, now)
      redis.call('XADD', keys[1], id, args[at + 2 * n], args[at + 2 * n + 1], 'restored', '')
    end
  end
  if id then
    redis.call('HSET', keys[2], name, id)
  end
  at = at + 2 * entries
  write('HSET', keys[5], args, at, at + 2 * writers - 1)
  at = at + 2 * writers
  for _ = 1, sources do
    local source, mark = args[at], args[at + 1]
    if mark > (redis.call('HGET', keys[3], source) or NOTHING) then
      remember(keys[3], keys[4], source, mark, string.match(id or '0-0', '%d+$'), most)
    end
    at = at + 2
  end
  return {'ok'}
end

redis.register_function('happypath_@VERSION@_install', install)
redis.register_function('happypath_@VERSION@_open', open)
redis.register_function('happypath_@VERSION@_commit', commit)
redis.register_function('happypath_@VERSION@_append', append)
redis.register_function('happypath_@VERSION@_append_together', append_together)
redis.register_function('happypath_@VERSION@_frontier', frontier)
redis.register_function('happypath_@VERSION@_unread', unread)
redis.register_function('happypath_@VERSION@_trim', trim)
redis.register_function('happypath_@VERSION@_trim_outbox', trim_outbox)
redis.register_function('happypath_@VERSION@_quarantined', quarantined)
redis.register_function('happypath_@VERSION@_repack', repack)
redis.register_function('happypath_@VERSION@_close_gate', close_gate)
redis.register_function('happypath_@VERSION@_hold_gate', hold_gate)
redis.register_function('happypath_@VERSION@_open_gate', open_gate)
redis.register_function('happypath_@VERSION@_restore_states', restore_states)
redis.register_function('happypath_@VERSION@_restore_commits', restore_commits)
redis.register_function('happypath_@VERSION@_restore_stream', restore_stream)
