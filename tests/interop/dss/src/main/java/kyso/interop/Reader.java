package kyso.interop;

import java.nio.file.Path;
import java.util.List;

/** One reader of signed documents. */
interface Reader {

    /** What it says of one signature, timestamp or document: `good`, `bad` or `unsure`, and in its own words why. */
    record Said(String id, String verdict, String words) {}

    /** Judges a document; `evidence` is a folder with OCSP responses and CRLs, or null for those inside alone. */
    List<Said> read(Path document, Path evidence) throws Exception;
}
