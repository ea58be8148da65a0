# Ruby's pg, with named statements.
begin
  require 'pg'
rescue LoadError
  puts 'missing ruby-pg'
  exit 77
end
$stdout.sync = true
N = ENV['APP_WORKER'].to_i
TABLE, CHANNEL, ROUNDS = "m_#{N}", "ch_#{N}", 20

def same(got, expected)
  raise "#{got.inspect}, not #{expected.inspect}" if got != expected
end

def value(c, sql, args = [])
  c.exec_params(sql, args).getvalue(0, 0)
end

def make_table(c)
  c.exec("DROP TABLE IF EXISTS #{TABLE}")
  c.exec("CREATE TABLE #{TABLE} (id int PRIMARY KEY, t text)")
end

CELLS = {
  'prepared' => lambda { |c|
    # The same name in every process, with another text behind it.
    c.prepare('q', "SELECT $1::int + #{N}000")
    ROUNDS.times do |i|
      same(c.exec_prepared('q', [i]).getvalue(0, 0), (N * 1000 + i).to_s)
    end
    same(c.describe_prepared('q').nfields, 1)
    c.exec('DEALLOCATE q')
  },
  'pipeline' => lambda { |c|
    next '-' unless c.respond_to?(:enter_pipeline_mode)
    c.enter_pipeline_mode
    100.times { |i| c.send_query_params('SELECT $1::int', [i]) }
    c.pipeline_sync
    100.times do |i|
      same(c.get_result.getvalue(0, 0), i.to_s)
      same(c.get_result, nil)
    end
    same(c.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    c.exit_pipeline_mode
  },
  'cursor' => lambda { |c|
    rows = 0
    c.transaction do
      c.exec('DECLARE c CURSOR FOR SELECT generate_series(1, 500)')
      while (got = c.exec('FETCH 50 FROM c').ntuples) > 0
        rows += got
      end
    end
    same(rows, 500)
  },
  'set' => lambda { |c|
    c.exec("SET application_name = 'w#{N}'")
    ROUNDS.times do
      same(value(c, 'SHOW application_name'), "w#{N}")
      same(value(c, 'SHOW lock_timeout'), "1000#{N}ms")
    end
  },
  'txn' => lambda { |c|
    make_table(c)
    insert = "INSERT INTO #{TABLE} VALUES ($1)"
    ROUNDS.times do |i|
      c.transaction { c.exec_params(insert, [i]) }
      begin
        c.transaction do
          c.exec_params(insert, [1000 + i])
          c.exec_params(insert, [i])
        end
        raise 'no error'
      rescue PG::UniqueViolation
      end
    end
    same(value(c, "SELECT count(*) FROM #{TABLE}"), ROUNDS.to_s)
  },
  'listen' => lambda { |c|
    c.exec("LISTEN #{CHANNEL}")
    value(c, 'SELECT pg_notify($1, $2)', [CHANNEL, 'hello'])
    got = nil
    c.wait_for_notify(20) { |channel, _, text| got = [channel, text] }
    same(got, [CHANNEL, 'hello'])
  },
  'copy' => lambda { |c|
    make_table(c)
    c.copy_data("COPY #{TABLE} FROM STDIN") do
      1000.times { |i| c.put_copy_data("#{i}\tcopied\n") }
    end
    lines = 0
    c.copy_data("COPY #{TABLE} TO STDOUT") do
      lines += 1 while c.get_copy_data
    end
    same(lines, 1000)
  },
  'cancel' => lambda { |c|
    c.send_query('SELECT pg_sleep(30)')
    # One that comes before the statement is there cancels nothing.
    loop do
      c.cancel
      c.block(0.2) and break
    end
    begin
      c.get_last_result
      raise 'not cancelled'
    rescue PG::QueryCanceled
    end
    same(value(c, 'SELECT 7'), '7')
  },
  'lock' => lambda { |c|
    value(c, 'SELECT pg_advisory_lock($1)', [N])
    5.times { |i| same(value(c, 'SELECT $1::int', [i]), i.to_s) }
    same(value(c, 'SELECT pg_advisory_unlock($1)', [N]), 't')
  },
}

CELLS.each do |name, cell|
  begin
    c = PG.connect(host: ENV['APP_HOST'], port: ENV['APP_PORT'],
                   dbname: 'app', user: 'alice')
    how = cell.call(c) == '-' ? '-' : 'ok'
  rescue StandardError => e
    how = "#{e.class}: #{e.message}".gsub(/\s+/, ' ')
  ensure
    c&.close
  end
  puts "cell #{name} #{how}"
end
puts 'done'
