/* pgjdbc: named statements from the first time on, batches, cursors by fetch
 * size, and a savepoint around every statement. */
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public class Jdbc {
	static final String N = System.getenv("APP_WORKER");
	static final String TABLE = "m_" + N, CHANNEL = "ch_" + N;
	static final int ROUNDS = 20;

	interface Cell {
		void run(Connection c) throws Exception;
	}

	static Connection connect() throws SQLException {
		return DriverManager.getConnection("jdbc:postgresql://" +
		    System.getenv("APP_HOST") + ":" +
		    System.getenv("APP_PORT") + "/app?user=alice" +
		    "&sslmode=disable&prepareThreshold=1&autosave=always" +
		    "&options=-c%20lock_timeout=1000" + N);
	}

	static void same(Object got, Object expected) {
		if (!got.equals(expected))
			throw new IllegalStateException(got + ", not " +
			    expected);
	}

	static void exec(Connection c, String sql) throws SQLException {
		try (Statement s = c.createStatement()) {
			s.execute(sql);
		}
	}

	static String value(Connection c, String sql, Object... args)
	    throws SQLException {
		try (PreparedStatement s = c.prepareStatement(sql)) {
			for (int i = 0; i < args.length; i++)
				s.setObject(i + 1, args[i]);
			ResultSet r = s.executeQuery();
			r.next();
			return r.getString(1);
		}
	}

	static void makeTable(Connection c) throws SQLException {
		exec(c, "DROP TABLE IF EXISTS " + TABLE);
		exec(c, "CREATE TABLE " + TABLE +
		    " (id int PRIMARY KEY, t text)");
	}

	static void prepared(Connection c) throws Exception {
		try (PreparedStatement s = c.prepareStatement(
		    "SELECT ?::int + " + N + "000")) {
			for (int i = 0; i < ROUNDS; i++) {
				s.setInt(1, i);
				ResultSet r = s.executeQuery();
				r.next();
				same(r.getInt(1),
				    Integer.parseInt(N) * 1000 + i);
				same(value(c, "SELECT upper(?)", "x" + i),
				    "X" + i);
			}
		}
	}

	static void batch(Connection c) throws Exception {
		makeTable(c);
		try (PreparedStatement s = c.prepareStatement(
		    "INSERT INTO " + TABLE + " VALUES (?, ?)")) {
			for (int i = 0; i < 500; i++) {
				s.setInt(1, i);
				s.setString(2, "row " + i);
				s.addBatch();
			}
			same(s.executeBatch().length, 500);
		}
		same(value(c, "SELECT count(*) FROM " + TABLE), "500");
	}

	static void cursor(Connection c) throws Exception {
		c.setAutoCommit(false);
		try (PreparedStatement s = c.prepareStatement(
		    "SELECT generate_series(1, ?)")) {
			int rows = 0;
			s.setFetchSize(50);
			s.setInt(1, 500);
			ResultSet r = s.executeQuery();
			while (r.next())
				rows++;
			same(rows, 500);
		}
		c.commit();
	}

	static void set(Connection c) throws Exception {
		exec(c, "SET application_name = 'w" + N + "'");
		c.setTransactionIsolation(
		    Connection.TRANSACTION_SERIALIZABLE);
		for (int i = 0; i < ROUNDS; i++) {
			same(value(c, "SHOW application_name"), "w" + N);
			same(value(c, "SHOW transaction_isolation"),
			    "serializable");
			same(value(c, "SHOW lock_timeout"),
			    "1000" + N + "ms");
		}
	}

	static void txn(Connection c) throws Exception {
		makeTable(c);
		c.setAutoCommit(false);
		PreparedStatement s = c.prepareStatement("INSERT INTO " +
		    TABLE + " VALUES (?, 'x')");
		for (int i = 0; i < ROUNDS; i++) {
			s.setInt(1, i);
			s.executeUpdate();
			/* The savepoint saves what was done before it. */
			try {
				s.executeUpdate();
				throw new IllegalStateException("no error");
			} catch (SQLException e) {
				same(e.getSQLState(), "23505");
			}
			c.commit();
			exec(c, "DELETE FROM " + TABLE);
			c.rollback();
		}
		same(value(c, "SELECT count(*) FROM " + TABLE),
		    "" + ROUNDS);
		c.commit();
	}

	static void listen(Connection c) throws Exception {
		PGConnection pg = c.unwrap(PGConnection.class);
		exec(c, "LISTEN " + CHANNEL);
		exec(c, "NOTIFY " + CHANNEL + ", 'hello'");
		PGNotification[] got = pg.getNotifications(20000);
		if (got == null || got.length != 1)
			throw new IllegalStateException("no notification");
		same(got[0].getName() + got[0].getParameter(),
		    CHANNEL + "hello");
	}

	static void copy(Connection c) throws Exception {
		PGConnection pg = c.unwrap(PGConnection.class);
		StringBuilder in = new StringBuilder();
		StringWriter out = new StringWriter();
		makeTable(c);
		for (int i = 0; i < 1000; i++)
			in.append(i).append("\tcopied\n");
		same(pg.getCopyAPI().copyIn("COPY " + TABLE + " FROM STDIN",
		    new StringReader(in.toString())), 1000L);
		pg.getCopyAPI().copyOut("COPY " + TABLE + " TO STDOUT", out);
		same(out.toString(), in.toString());
	}

	static void cancel(Connection c) throws Exception {
		try (Statement s = c.createStatement()) {
			s.setQueryTimeout(1);
			s.execute("SELECT pg_sleep(30)");
			throw new IllegalStateException("not cancelled");
		} catch (SQLException e) {
			same(e.getSQLState(), "57014");
		}
		same(value(c, "SELECT 7"), "7");
	}

	static void lock(Connection c) throws Exception {
		int n = Integer.parseInt(N);
		value(c, "SELECT pg_advisory_lock(?)", n);
		for (int i = 0; i < 5; i++)
			same(value(c, "SELECT ?::int", i), "" + i);
		same(value(c, "SELECT pg_advisory_unlock(?)", n), "t");
	}

	static void cell(String name, Cell cell) {
		String how = "ok";
		try (Connection c = connect()) {
			cell.run(c);
		} catch (Exception e) {
			how = e.toString().replaceAll("\\s+", " ");
		}
		System.out.println("cell " + name + " " + how);
	}

	public static void main(String[] args) {
		cell("prepared", Jdbc::prepared);
		cell("pipeline", Jdbc::batch);
		cell("cursor", Jdbc::cursor);
		cell("set", Jdbc::set);
		cell("txn", Jdbc::txn);
		cell("listen", Jdbc::listen);
		cell("copy", Jdbc::copy);
		cell("cancel", Jdbc::cancel);
		cell("lock", Jdbc::lock);
		System.out.println("done");
	}
}
