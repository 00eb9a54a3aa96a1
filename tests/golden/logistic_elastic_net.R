# Elastic net paths by glmnet: Rscript logistic_elastic_net.R FOLDER. Called by logistic_elastic_net.py.
#
# FOLDER/<set>.csv: the columns, then y. FOLDER/cases.csv: case, set, alpha, lambda.
# Writes FOLDER/out.csv: case, term, value (17 digits).
suppressMessages(library(glmnet))
folder <- commandArgs(TRUE)[1]
# No early end of the path and no clipping of probabilities: the optimum, not glmnet's shortcuts.
glmnet.control(fdev = 0, devmax = 1, pmin = 1e-15)
cases <- read.csv(file.path(folder, "cases.csv"), colClasses = c(case = "character"))
out <- list(data.frame(case = "versions", term = c("R", "glmnet"),
                       value = c(as.character(getRversion()), as.character(packageVersion("glmnet")))))
for (set in unique(cases$set)) {
  t <- read.csv(file.path(folder, paste0(set, ".csv")), check.names = FALSE)
  x <- as.matrix(t[, names(t) != "y"]); y <- t$y
  for (alpha in unique(cases$alpha[cases$set == set])) {
    mine <- cases[cases$set == set & cases$alpha == alpha, ]
    mine <- mine[order(-mine$lambda), ]
    # A path from above, so that each optimum starts near the one before.
    path <- sort(unique(c(mine$lambda, exp(seq(log(0.5), log(min(mine$lambda)), length.out = 30)))), decreasing = TRUE)
    fit <- glmnet(x, y, family = "binomial", alpha = alpha, lambda = path,
                  standardize = TRUE, thresh = 1e-16, maxit = 1e8)
    for (i in seq_len(nrow(mine))) {
      at <- which(path == mine$lambda[i])
      values <- c(fit$a0[at], as.numeric(fit$beta[, at]))
      out[[length(out) + 1]] <- data.frame(case = mine$case[i], term = c("(Intercept)", colnames(x)),
                                           value = sprintf("%.17g", values))
    }
  }
}
write.csv(do.call(rbind, out), file.path(folder, "out.csv"), row.names = FALSE)
