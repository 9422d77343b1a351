SELECT tbl_name AS table_name, sql AS line
FROM sqlite_master
WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY tbl_name, type = 'index', name
