package kyso.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Reads lines `reader TAB document TAB evidence-folder-or-nothing` from standard input and answers each finding with a
 * line `reader TAB document TAB id TAB verdict TAB words`. The arguments are trust anchors (PEM files); none trusts
 * nobody. A document that makes a reader throw is answered too.
 */
public final class Main {

    private Main() {}

    public static void main(String[] anchors) throws Exception {
        List<Path> trust = List.of(anchors).stream().map(Path::of).toList();
        Map<String, Reader> readers =
                Map.of("dss", new Dss(trust), "pdfbox", new PdfBox(trust), "verapdf", new VeraPdf());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // what libraries print is not an answer
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] part = line.split("\t", -1);
            Path evidence = part[2].isEmpty() ? null : Path.of(part[2]);
            List<Reader.Said> answers;
            try {
                answers = readers.get(part[0]).read(Path.of(part[1]), evidence);
            } catch (Exception | StackOverflowError | OutOfMemoryError problem) {
                answers = List.of(new Reader.Said("", "bad", "throws " + problem));
            }
            for (Reader.Said said : answers) {
                String words = said.words().replaceAll("\\s+", " ");
                out.println(String.join("\t", part[0], part[1], said.id(), said.verdict(), words));
            }
        }
    }
}
