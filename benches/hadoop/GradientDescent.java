// Batch gradient descent for logistic regression on Hadoop MapReduce, one job a step.
//
//   java GradientDescent FILE.csv COLUMNS ROWS LAMBDA STEP_SIZE STEPS OUT_DIR MAPS SPLIT_BYTES
//
// FILE.csv: label, then the columns. Minimises mean log loss + LAMBDA/2 |w|^2 with a free intercept, from 0.
// A line of JSON at the end: the seconds of each step and the mean log loss before it.
//
// It is written as fast as it can be without leaving MapReduce: sums are kept in the mapper, one record
// leaves each map task, numbers are read from the bytes of the line without making strings.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.StringJoiner;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.NullWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapreduce.Job;
import org.apache.hadoop.mapreduce.Mapper;
import org.apache.hadoop.mapreduce.Reducer;
import org.apache.hadoop.mapreduce.lib.input.FileInputFormat;
import org.apache.hadoop.mapreduce.lib.input.TextInputFormat;
import org.apache.hadoop.mapreduce.lib.output.FileOutputFormat;
import org.apache.hadoop.mapreduce.lib.output.TextOutputFormat;

public final class GradientDescent {
    private static final String WEIGHTS = "gradient.weights";

    // A record holds the sums over some rows: loss, then the gradient for the intercept and each column.
    public static final class Sums extends Mapper<LongWritable, Text, NullWritable, Text> {
        private double[] w;
        private double[] row;
        private double[] sums;

        @Override
        protected void setup(Context context) {
            w = parse(context.getConfiguration().get(WEIGHTS));
            row = new double[w.length];
            sums = new double[w.length + 1];
        }

        @Override
        protected void map(LongWritable offset, Text line, Context context) {
            Numbers numbers = new Numbers(line.getBytes(), line.getLength());
            double y = numbers.next();
            row[0] = 1.0;
            double eta = w[0];
            for (int j = 1; j < w.length; j++) {
                row[j] = numbers.next();
                eta += w[j] * row[j];
            }
            double e = Math.exp(-Math.abs(eta));
            sums[0] += Math.max(eta, 0.0) + Math.log1p(e) - y * eta;
            double residual = (eta >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e)) - y;
            for (int j = 0; j < w.length; j++) {
                sums[j + 1] += residual * row[j];
            }
        }

        @Override
        protected void cleanup(Context context) throws IOException, InterruptedException {
            context.write(NullWritable.get(), new Text(print(sums)));
        }
    }

    public static final class Add extends Reducer<NullWritable, Text, NullWritable, Text> {
        @Override
        protected void reduce(NullWritable key, Iterable<Text> parts, Context context)
                throws IOException, InterruptedException {
            double[] total = null;
            for (Text part : parts) {
                double[] one = parse(part.toString());
                if (total == null) {
                    total = one;
                } else {
                    for (int j = 0; j < one.length; j++) {
                        total[j] += one[j];
                    }
                }
            }
            context.write(key, new Text(print(total)));
        }
    }

    // Reads decimal numbers separated by commas. Up to 18 digits; exact to an ulp or so, enough for %.6g.
    private static final class Numbers {
        private static final double[] TENTH = new double[40];
        static {
            for (int i = 0; i < TENTH.length; i++) {
                TENTH[i] = Math.pow(10.0, i);
            }
        }
        private final byte[] bytes;
        private final int end;
        private int at;

        Numbers(byte[] bytes, int end) {
            this.bytes = bytes;
            this.end = end;
        }

        double next() {
            boolean negative = at < end && bytes[at] == '-';
            if (negative) {
                at++;
            }
            long digits = 0;
            int exponent = 0;
            boolean fraction = false;
            for (; at < end; at++) {
                byte b = bytes[at];
                if (b >= '0' && b <= '9') {
                    digits = digits * 10 + (b - '0');
                    if (fraction) {
                        exponent--;
                    }
                } else if (b == '.') {
                    fraction = true;
                } else {
                    break;
                }
            }
            if (at < end && (bytes[at] == 'e' || bytes[at] == 'E')) {
                at++;
                boolean below = bytes[at] == '-';
                if (below || bytes[at] == '+') {
                    at++;
                }
                int power = 0;
                for (; at < end && bytes[at] >= '0' && bytes[at] <= '9'; at++) {
                    power = power * 10 + (bytes[at] - '0');
                }
                exponent += below ? -power : power;
            }
            at++; // the comma
            double value = exponent < 0 ? digits / TENTH[-exponent] : digits * TENTH[exponent];
            return negative ? -value : value;
        }
    }

    public static void main(String[] args) throws Exception {
        Path input = new Path(args[0]);
        int d = Integer.parseInt(args[1]);
        double n = Double.parseDouble(args[2]);
        double lambda = Double.parseDouble(args[3]);
        double stepSize = Double.parseDouble(args[4]);
        int steps = Integer.parseInt(args[5]);
        Path out = new Path(args[6]);

        Configuration conf = new Configuration();
        conf.set("mapreduce.framework.name", "local");
        conf.set("fs.defaultFS", "file:///");
        // The client asks every 5 s by default whether a job is done, which would be all that is measured.
        conf.set("mapreduce.client.completion.pollinterval", "10");
        conf.set("mapreduce.client.progressmonitor.pollinterval", "10");
        conf.set("mapreduce.local.map.tasks.maximum", args[7]);
        conf.set("mapreduce.input.fileinputformat.split.minsize", args[8]);
        conf.set("mapreduce.task.io.sort.mb", "1"); // one small record leaves each map task
        conf.set("io.file.buffer.size", "1048576");
        conf.set("hadoop.tmp.dir", out + "/tmp");
        FileSystem files = FileSystem.getLocal(conf);

        double[] w = new double[d + 1];
        double[] seconds = new double[steps];
        double[] losses = new double[steps];
        for (int step = 0; step < steps; step++) {
            long start = System.nanoTime();
            conf.set(WEIGHTS, print(w));
            Path result = new Path(out, "step");
            files.delete(result, true);
            Job job = Job.getInstance(conf, "gradient");
            job.setJarByClass(GradientDescent.class);
            job.setInputFormatClass(TextInputFormat.class);
            job.setOutputFormatClass(TextOutputFormat.class);
            job.setMapperClass(Sums.class);
            job.setReducerClass(Add.class);
            job.setNumReduceTasks(1);
            job.setOutputKeyClass(NullWritable.class);
            job.setOutputValueClass(Text.class);
            FileInputFormat.addInputPath(job, input);
            FileOutputFormat.setOutputPath(job, result);
            if (!job.waitForCompletion(false)) {
                throw new IOException("the job failed");
            }
            double[] sums = read(files, result);
            for (int j = 0; j <= d; j++) {
                double gradient = sums[j + 1] / n + (j > 0 ? lambda * w[j] : 0.0);
                w[j] -= stepSize * gradient;
            }
            losses[step] = sums[0] / n;
            seconds[step] = (System.nanoTime() - start) / 1e9;
        }
        System.out.println("{\"seconds\": " + Arrays.toString(seconds) + ", \"losses\": " + Arrays.toString(losses) + "}");
    }

    private static double[] read(FileSystem files, Path folder) throws IOException {
        for (FileStatus file : files.listStatus(folder)) {
            if (file.getPath().getName().startsWith("part-")) {
                try (BufferedReader in = new BufferedReader(new InputStreamReader(files.open(file.getPath())))) {
                    return parse(in.readLine());
                }
            }
        }
        throw new IOException("no part file in " + folder);
    }

    private static String print(double[] values) {
        StringJoiner text = new StringJoiner(" ");
        for (double value : values) {
            text.add(Double.toString(value));
        }
        return text.toString();
    }

    private static double[] parse(String text) {
        return Arrays.stream(text.trim().split(" ")).mapToDouble(Double::parseDouble).toArray();
    }
}
