// Go's lib/pq under database/sql, with several goroutines.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"
)

const rounds = 20

var n = os.Getenv("APP_WORKER")
var table, channel = "m_" + n, "ch_" + n
var dsn = fmt.Sprintf("host=%s port=%s dbname=app user=alice sslmode=disable",
	os.Getenv("APP_HOST"), os.Getenv("APP_PORT"))

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func same(got, expected interface{}) {
	if got != expected {
		panic(fmt.Errorf("%v, not %v", got, expected))
	}
}

func exec(c *sql.Conn, query string, args ...interface{}) {
	_, err := c.ExecContext(context.Background(), query, args...)
	check(err)
}

func value(c *sql.Conn, query string, args ...interface{}) string {
	var got string
	check(c.QueryRowContext(context.Background(), query, args...).Scan(&got))
	return got
}

func makeTable(c *sql.Conn) {
	exec(c, "DROP TABLE IF EXISTS "+table)
	exec(c, "CREATE TABLE "+table+" (id int PRIMARY KEY, t text)")
}

func begin(c *sql.Conn) *sql.Tx {
	tx, err := c.BeginTx(context.Background(), nil)
	check(err)
	return tx
}

func prepared(c *sql.Conn) {
	q, err := c.PrepareContext(context.Background(),
		"SELECT $1::int + "+n+"000")
	check(err)
	for i := 0; i < rounds; i++ {
		var got int
		check(q.QueryRow(i).Scan(&got))
		same(fmt.Sprint(got), fmt.Sprintf("%s%03d", n, i))
		same(value(c, "SELECT upper($1)", "x"), "X")
	}
	check(q.Close())
}

func set(c *sql.Conn) {
	exec(c, "SET application_name = 'w"+n+"'")
	for i := 0; i < rounds; i++ {
		same(value(c, "SHOW application_name"), "w"+n)
		same(value(c, "SHOW lock_timeout"), "1000"+n+"ms")
	}
}

func cursor(c *sql.Conn) {
	tx := begin(c)
	_, err := tx.Exec("DECLARE c CURSOR FOR SELECT generate_series(1, 500)")
	check(err)
	count := 0
	for more := true; more; {
		rows, err := tx.Query("FETCH 50 FROM c")
		check(err)
		for more = false; rows.Next(); count++ {
			more = true
		}
		check(rows.Err())
	}
	check(tx.Commit())
	same(count, 500)
}

func txn(c *sql.Conn) {
	makeTable(c)
	insert := "INSERT INTO " + table + " VALUES ($1)"
	for i := 0; i < rounds; i++ {
		tx := begin(c)
		_, err := tx.Exec(insert, i)
		check(err)
		check(tx.Commit())
		tx = begin(c)
		_, err = tx.Exec(insert, 1000+i)
		check(err)
		_, err = tx.Exec(insert, i)
		same(string(err.(*pq.Error).Code), "23505")
		check(tx.Rollback())
	}
	same(value(c, "SELECT count(*) FROM "+table), fmt.Sprint(rounds))
}

// A listener is a connection of its own. With a session each, four processes
// with two would wait for each other for ever: one at a time then.
func takeTurns() *os.File {
	f, err := os.Create(os.Getenv("APP_DIR") + "/listening")
	check(err)
	check(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	return f
}

func listen(c *sql.Conn) {
	if os.Getenv("APP_MODE") == "session" {
		defer takeTurns().Close()
	}
	l := pq.NewListener(dsn, time.Second, time.Minute, nil)
	defer l.Close()
	check(l.Listen(channel))
	exec(c, "SELECT pg_notify($1, 'hello')", channel)
	select {
	case note := <-l.Notify:
		same(note.Channel+" "+note.Extra, channel+" hello")
	case <-time.After(20 * time.Second):
		panic("no notification")
	}
}

func copyIn(c *sql.Conn) {
	makeTable(c)
	tx := begin(c)
	q, err := tx.Prepare(pq.CopyIn(table, "id", "t"))
	check(err)
	for i := 0; i < 1000; i++ {
		_, err = q.Exec(i, "copied")
		check(err)
	}
	_, err = q.Exec()
	check(err)
	check(q.Close())
	check(tx.Commit())
	same(value(c, "SELECT count(*) FROM "+table), "1000")
}

func cancel(c *sql.Conn) {
	ctx, done := context.WithTimeout(context.Background(),
		300*time.Millisecond)
	defer done()
	_, err := c.ExecContext(ctx, "SELECT pg_sleep(30)")
	if err == nil {
		panic("not cancelled")
	}
	same(err.Error(), "pq: canceling statement due to user request")
}

func lock(c *sql.Conn) {
	value(c, "SELECT pg_advisory_lock($1)", n)
	for i := 0; i < 5; i++ {
		same(value(c, "SELECT $1::int", i), fmt.Sprint(i))
	}
	same(value(c, "SELECT pg_advisory_unlock($1)", n), "true")
}

func one(db *sql.DB, cell func(*sql.Conn)) (how string) {
	defer func() {
		if e := recover(); e != nil {
			how = strings.Join(strings.Fields(fmt.Sprint(e)), " ")
		}
	}()
	c, err := db.Conn(context.Background())
	check(err)
	defer c.Close()
	cell(c)
	return "ok"
}

func main() {
	db, err := sql.Open("postgres", dsn)
	check(err)
	// Nothing is kept: a session would hold its server.
	db.SetMaxIdleConns(0)
	for _, t := range []struct {
		name string
		cell func(*sql.Conn)
	}{
		{"prepared", prepared}, {"pipeline", nil}, {"cursor", cursor},
		{"set", set}, {"txn", txn}, {"listen", listen},
		{"copy", copyIn}, {"cancel", cancel}, {"lock", lock},
	} {
		how := "-"
		skipped := strings.Contains(os.Getenv("APP_SKIP"),
			" "+t.name+" ")
		if t.cell != nil && !skipped {
			how = one(db, t.cell)
		}
		fmt.Println("cell", t.name, how)
	}
	fmt.Println("done")
}
