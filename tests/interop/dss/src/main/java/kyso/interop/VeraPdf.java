package kyso.interop;

import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.results.ValidationResult;

/** veraPDF: whether a document keeps the part of PDF/A that it claims. */
final class VeraPdf implements Reader {

    VeraPdf() {
        VeraGreenfieldFoundryProvider.initialise();
    }

    @Override
    public List<Said> read(Path document, Path evidence) throws Exception {
        try (InputStream file = new FileInputStream(document.toFile());
                PDFAParser parser = Foundries.defaultInstance().createParser(file);
                PDFAValidator validator = Foundries.defaultInstance().createValidator(parser.getFlavour(), false)) {
            ValidationResult result = validator.validate(parser);
            String broken = result.getTestAssertions().stream()
                    .map(one -> one.getRuleId().getClause() + "-" + one.getRuleId().getTestNumber())
                    .distinct()
                    .collect(Collectors.joining(", "));
            String flavour = "PDF/A-" + parser.getFlavour().getId();
            return List.of(new Said(flavour, result.isCompliant() ? "good" : "bad", broken));
        }
    }
}
