package kyso.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Reads lines `reader TAB document TAB folder-or-nothing` from standard input and answers each finding with a
 * line `reader TAB document TAB id TAB verdict TAB words`. The arguments are trust anchors (PEM files); none trusts
 * nobody. A document that makes a reader throw, or take longer than four minutes, is answered too.
 */
public final class Main {

    private static final int PATIENCE = 240;

    private Main() {}

    public static void main(String[] anchors) throws Exception {
        List<Path> trust = List.of(anchors).stream().map(Path::of).toList();
        Path keys = Path.of(System.getProperty("kyso.keys", "keys.p12"));
        Map<String, Reader> readers = new HashMap<>(Map.of(
                "dss", new Dss(trust),
                "pdfbox", new PdfBox(trust),
                "verapdf", new VeraPdf(),
                "dss-sign", new DssSigner(keys)));
        Path evidence = Path.of(System.getProperty("kyso.evidence", "."));
        readers.putAll(DssXadesSigner.all(keys, trust, evidence));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // what libraries print is not an answer
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] part = line.split("\t", -1);
            Path beside = part[2].isEmpty() ? null : Path.of(part[2]);
            for (Reader.Said said : answer(readers.get(part[0]), Path.of(part[1]), beside)) {
                String words = said.words().replaceAll("\\s+", " ");
                out.println(String.join("\t", part[0], part[1], said.id(), said.verdict(), words));
            }
        }
    }

    /** In a thread of its own, which is left behind when it takes too long. */
    private static List<Reader.Said> answer(Reader reader, Path document, Path evidence) {
        FutureTask<List<Reader.Said>> task = new FutureTask<>(() -> reader.read(document, evidence));
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
        try {
            return task.get(PATIENCE, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            return List.of(new Reader.Said("", "unsure", "no answer within " + PATIENCE + " s"));
        } catch (ExecutionException problem) {
            return List.of(new Reader.Said("", "bad", "throws " + problem.getCause()));
        } catch (InterruptedException stopped) {
            throw new IllegalStateException(stopped);
        }
    }
}
