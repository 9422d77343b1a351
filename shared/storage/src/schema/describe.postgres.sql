WITH tables AS (
    SELECT oid, relname::text AS table_name, reloptions, reltoastrelid
    FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
),
columns AS (
    SELECT table_name, 1 AS part, lpad(attnum::text, 4, '0') AS place, concat_ws(
        ' ', 'column', attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN 'not null' END,
        'default ' || pg_get_expr(adbin, adrelid),
        CASE attidentity WHEN 'a' THEN 'always identity' WHEN 'd' THEN 'default identity' END,
        CASE WHEN attgenerated <> '' THEN 'generated' END,
        'storage ' || attstorage::text,
        'collation ' || collname
    ) AS line
    FROM tables
    JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
),
indexes AS (
    SELECT tablename::text AS table_name, 2 AS part, indexname::text AS place,
        replace(indexdef, format(' ON %I.', current_schema()), ' ON public.') AS line
    FROM pg_indexes
    WHERE schemaname = current_schema()
),
constraints AS (
    SELECT table_name, 3 AS part, conname::text AS place,
        concat_ws(' ', 'constraint', conname, pg_get_constraintdef(pg_constraint.oid)) AS line
    FROM tables
    JOIN pg_constraint ON conrelid = tables.oid
),
options AS (
    SELECT table_name, 4 AS part, '' AS place, concat_ws(
        ' ', 'options', array_to_string(tables.reloptions, ' '),
        'toast', array_to_string(toast.reloptions, ' ')
    ) AS line
    FROM tables
    LEFT JOIN pg_class AS toast ON toast.oid = tables.reltoastrelid
    WHERE tables.reloptions IS NOT NULL OR toast.reloptions IS NOT NULL
)
SELECT table_name, line
FROM (
    SELECT * FROM columns
    UNION ALL SELECT * FROM indexes
    UNION ALL SELECT * FROM constraints
    UNION ALL SELECT * FROM options
) AS everything
ORDER BY table_name COLLATE "C", part, place COLLATE "C", line COLLATE "C"
