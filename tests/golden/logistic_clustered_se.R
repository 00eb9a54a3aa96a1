# Unpenalised fits with plain, robust and clustered errors by sandwich:
# Rscript logistic_clustered_se.R FOLDER. Called by logistic_clustered_se.py.
#
# FOLDER/<set>.csv: the columns, then y, group, weight (whole numbers).
# Writes FOLDER/out.csv: case, term, value (17 digits); case is set/what.
suppressMessages(library(sandwich))
folder <- commandArgs(TRUE)[1]
out <- data.frame(case = "versions", term = c("R", "sandwich"),
                  value = c(as.character(getRversion()), as.character(packageVersion("sandwich"))))
keep <- function(case, values) {
  data.frame(case = case, term = names(values), value = sprintf("%.17g", values))
}
errors <- function(v) sqrt(diag(v))
fit_one <- function(set, t, group) {
  fit <- glm(y ~ ., family = binomial, data = t, control = list(epsilon = 1e-15, maxit = 100))
  rbind(
    keep(paste0(set, "/coef"), coef(fit)),
    keep(paste0(set, "/plain"), errors(vcov(fit))),
    keep(paste0(set, "/robust_hc0"), errors(vcovHC(fit, type = "HC0"))),
    keep(paste0(set, "/cluster_hc0_cadjust_false"), errors(vcovCL(fit, cluster = group, type = "HC0", cadjust = FALSE))),
    keep(paste0(set, "/cluster_hc0_cadjust_true"), errors(vcovCL(fit, cluster = group, type = "HC0", cadjust = TRUE))),
    keep(paste0(set, "/cluster_hc1_cadjust_true"), errors(vcovCL(fit, cluster = group, type = "HC1", cadjust = TRUE))),
    keep(paste0(set, "/deviance"), c(residual = deviance(fit), null = fit$null.deviance, logLik = as.numeric(logLik(fit)))))
}
for (file in list.files(folder, pattern = "\\.csv$")) {
  set <- sub("\\.csv$", "", file)
  if (set == "out") next
  t <- read.csv(file.path(folder, file), check.names = FALSE)
  group <- t$group; weight <- t$weight
  t <- t[, !(names(t) %in% c("group", "weight"))]
  out <- rbind(out, fit_one(set, t, group))
  # Weights as the rows repeated, which is what they are to mean.
  again <- rep(seq_len(nrow(t)), weight)
  out <- rbind(out, fit_one(paste0(set, "_weighted"), t[again, ], group[again]))
}
write.csv(out, file.path(folder, "out.csv"), row.names = FALSE)
